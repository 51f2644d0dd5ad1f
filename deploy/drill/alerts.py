"""Which alerts fire now, by Prometheus and by the console, and which queries find nothing."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 1.0


class Alerts(ABC):
    """As one who answers at ``url`` tells them. Its answers may raise OSError.

    ``keep_up`` is called while waiting, and may raise what ends the wait.
    """

    def __init__(self, url: str, keep_up: Callable[[], None]) -> None:
        self._url = url
        self._keep_up = keep_up

    @abstractmethod
    def firing(self) -> set[str]:
        """Names of the alerts that fire."""

    def seconds_until(
        self, name: str, fires: bool, limit_seconds: float, meanwhile: Callable[[], None]
    ) -> float | None:
        """How long it takes until an alert fires, or fires no more; None if not in time."""
        began = time.monotonic()
        while (spent := time.monotonic() - began) < limit_seconds:
            self._keep_up()
            # Who does not answer says nothing; if it has died, that is for keep_up to tell.
            with suppress(OSError):
                if (name in self.firing()) == fires:
                    return round(spent, 1)
            meanwhile()
            time.sleep(POLL_SECONDS)
        return None

    def _asked(self, path: str) -> Any:
        with urlopen(f"{self._url}{path}", timeout=TIMEOUT_SECONDS) as answer:
            return json.load(answer)


class PrometheusAlerts(Alerts):
    """Of Prometheus itself."""

    def firing(self) -> set[str]:
        """By its rules."""
        alerts = self._asked("/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def without_data(self, queries: Iterable[str], limit_seconds: float) -> list[str]:
        """Those that find nothing in all that time."""
        deadline = time.monotonic() + limit_seconds
        while left := [query for query in queries if not self._found(query)]:
            if time.monotonic() > deadline:
                return left
            queries = left
            self._keep_up()
            time.sleep(POLL_SECONDS)
        return []

    def _found(self, query: str) -> bool:
        return bool(self._asked(f"/api/v1/query?{urlencode({'query': query})}")["data"]["result"])


class ConsoleAlerts(Alerts):
    """As an operator reads them in the console."""

    def firing(self) -> set[str]:
        """On its loop page; none while it does not reach Prometheus."""
        alerts = self._asked("/api/loop")["alerts"] or []
        return {alert["name"] for alert in alerts if alert["state"] == "firing"}
