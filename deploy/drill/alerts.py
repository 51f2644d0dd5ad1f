"""Which alerts fire now, and which queries find nothing, by a Prometheus."""

import json
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlencode
from urllib.request import urlopen

TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 1.0


class Alerts:
    """Of the Prometheus at ``url``. Its answers may raise OSError."""

    def __init__(self, url: str) -> None:
        self._url = url

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        with urlopen(f"{self._url}/api/v1/alerts", timeout=TIMEOUT_SECONDS) as answer:
            alerts = json.load(answer)["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def without_data(self, queries: Iterable[str]) -> list[str]:
        """Those that find nothing."""
        return [query for query in queries if not self._found(query)]

    def _found(self, query: str) -> bool:
        url = f"{self._url}/api/v1/query?{urlencode({'query': query})}"
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return bool(json.load(answer)["data"]["result"])

    def seconds_until(
        self, name: str, fires: bool, limit_seconds: float, meanwhile: Callable[[], None]
    ) -> float | None:
        """How long it takes until an alert fires, or fires no more; None if not in time."""
        began = time.monotonic()
        while (spent := time.monotonic() - began) < limit_seconds:
            if (name in self.firing()) == fires:
                return round(spent, 1)
            meanwhile()
            time.sleep(POLL_SECONDS)
        return None
