"""What the console asks of each part of the engine. Every look raises SourceFault."""

import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import urlopen

import redis
from redis.exceptions import RedisClusterException

from deploy.console.watching import SourceFault
from deploy.scrape import Scrape, ScrapeError
from schemas import redis_keys
from schemas.addresses import RedisAddress
from schemas.lake import SAMPLES
from schemas.learner_status import LearnerStatus
from stores.lake.folders import compacted, hours, landing
from stores.model_versions import ModelVersions, PublishedVersion
from stores.redis_client import connect, primaries
from streaming.operate import job_state
from streaming.settings import JobName, StreamingSettings


@dataclass(frozen=True, slots=True)
class RedisSight:
    """Of all primaries together; ``limit_bytes`` 0 is none. ``versions`` oldest first."""

    used_bytes: int
    limit_bytes: int
    commands_per_second: int
    rows_complete: bool
    learner: LearnerStatus | None
    versions: Sequence[PublishedVersion]


class RedisSource:
    """Connects at the first look, as a cluster is only found once a node of it answers."""

    def __init__(self, address: RedisAddress, model: str, timeout_seconds: float) -> None:
        self._address = address
        self._model = model
        self._timeout = timeout_seconds
        self._client: Any = None

    def client(self) -> redis.Redis:
        """The connection. Raises SourceFault."""
        if self._client is None:
            try:
                self._client = connect(
                    self._address,
                    socket_timeout=self._timeout,
                    socket_connect_timeout=self._timeout,
                )
            except (redis.RedisError, RedisClusterException, ValueError) as error:
                raise self.fault(error) from None
        return cast(redis.Redis, self._client)

    def fault(self, error: Exception) -> SourceFault:
        """An error of Redis, in words."""
        return SourceFault(f"Redis at {self._address} does not answer: {error}")

    def versions(self) -> ModelVersions:
        """Of the model. Raises SourceFault."""
        return ModelVersions(self.client(), self._model)

    def look(self) -> RedisSight:
        """Ask every server how it is."""
        client: Any = self.client()
        try:
            infos: list[Any] = [server.info() for server in primaries(client)]
            learner = client.hgetall(redis_keys.model_learner(self._model))
            return RedisSight(
                used_bytes=sum(info["used_memory"] for info in infos),
                limit_bytes=sum(info.get("maxmemory", 0) for info in infos),
                commands_per_second=sum(info["instantaneous_ops_per_sec"] for info in infos),
                rows_complete=bool(client.exists(redis_keys.ROWS_COMPLETE)),
                learner=LearnerStatus.from_fields(learner),
                versions=self.versions().versions(),
            )
        except (redis.RedisError, RedisClusterException, ValueError, OSError) as error:
            raise self.fault(error) from None


@dataclass(frozen=True, slots=True)
class FlinkSource:
    """Both jobs as ``python -m streaming list`` shows them."""

    settings: StreamingSettings

    def look(self, job: JobName) -> Mapping[str, Any]:
        """The state of a job; an absent one is told by its ``state``."""
        state = job_state(self.settings, job)
        if state["state"] == "UNREACHABLE":
            raise SourceFault(f"no Flink answers at {state['url']} for the {job} job")
        return state


def scrapes(urls: str) -> dict[str, Scrape | str]:
    """URL to what the process there says, or to why it says nothing; of a name with several
    addresses the URL of each."""
    answers: dict[str, Scrape | str] = {}
    for named in filter(None, urls.split(",")):
        for url in each_address(named):
            try:
                answers[url] = Scrape.of_url(url)
            except ScrapeError as error:
                answers[url] = str(error)
    return answers


def scrape(url: str, who: str) -> Scrape:
    """What the processes of a job say together; those that run no task with metrics say nothing."""
    answers = scrapes(url)
    found = [answer for answer in answers.values() if isinstance(answer, Scrape)]
    if not found:
        raise SourceFault(f"{who}: {next(iter(answers.values()), 'no address')}")
    return Scrape.together(found)


def each_address(url: str) -> list[str]:
    """A URL for each address of its name, as a Kubernetes service without one of its own has many;
    the URL itself if there is one only, or none is found."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return [url]
    addresses = sorted({str(address[0]) for *_, address in found})
    if len(addresses) < 2:
        return [url]
    port = f":{parts.port}" if parts.port else ""
    return [parts._replace(netloc=f"{address}{port}").geturl() for address in addresses]


@dataclass(frozen=True, slots=True)
class Alert:
    """One that fires, or is about to; ``since`` as Prometheus writes it."""

    name: str
    state: str
    severity: str
    summary: str
    labels: Mapping[str, str]
    since: str


def alerts(prometheus: str, timeout_seconds: float) -> list[Alert] | None:
    """Those that fire, first the firing ones, of them the gravest; None if no Prometheus is
    configured."""
    if not prometheus:
        return None
    url = f"{prometheus.rstrip('/')}/api/v1/alerts"
    try:
        with urlopen(url, timeout=timeout_seconds) as answer:
            found = json.load(answer)["data"]["alerts"]
        listed = [
            Alert(
                name=alert["labels"]["alertname"],
                state=alert["state"],
                severity=alert["labels"].get("severity", ""),
                summary=alert["annotations"].get("summary", ""),
                labels={k: v for k, v in alert["labels"].items() if k != "alertname"},
                since=alert["activeAt"],
            )
            for alert in found
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        raise SourceFault(f"Prometheus does not answer at {url}: {reason}") from None
    return sorted(listed, key=_gravity)


def _gravity(alert: Alert) -> tuple[bool, int, str]:
    """One of an unknown severity may be the gravest."""
    milder = {"warning": 1, "info": 2}
    return alert.state != "firing", milder.get(alert.severity, 0), alert.name


def lake_age_seconds(settings: StreamingSettings) -> float | None:
    """Since the newest file of samples was written; None before the first."""
    newest = 0.0
    try:
        for hour in list(hours(settings.lake, SAMPLES))[-2:]:
            for folder in (landing, compacted):
                for file in folder(settings.lake, SAMPLES, hour).files():
                    newest = max(newest, file.stat().st_mtime)
    except (OSError, ValueError) as error:
        raise SourceFault(f"the lake (CTR_STREAMING_LAKE) cannot be read: {error}") from None
    return time.time() - newest if newest else None
