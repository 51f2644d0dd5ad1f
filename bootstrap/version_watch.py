"""Watches the version that is served and rolls it back when it turns bad.

Log loss and calibration come from the label stream, over a sliding window and compared with the
version before it; latency from the scorers' own metrics. The decision is the publish gate's.
"""

import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException

from prometheus_client.parser import text_string_to_metric_families

from bootstrap.publisher import Publisher
from bootstrap.sample_topic import SampleTopic
from bootstrap.served_quality import ServedWindow, by_version
from online_model.publish_gate import GateLimits, refusal_reasons
from schemas.metric_names import REQUEST_SECONDS
from stores.model_versions import VersionError

TIMEOUT_SECONDS = 5.0
PERCENTILE = 0.99
Buckets = dict[float, float]


@dataclass(frozen=True, slots=True)
class RollBack:
    """What was done and why."""

    withdrawn: str
    served: str
    reasons: Sequence[str]


@dataclass(slots=True)
class VersionWatch:
    """Of one model; ``offsets`` are where the label stream is read from next; ``unheard`` scorers
    told no latencies in the last step, with the reason."""

    publisher: Publisher
    topic: SampleTopic
    scorers: Sequence[str]
    limits: GateLimits
    offsets: dict[int, int]
    window_minutes: int = 60
    served: dict[str, ServedWindow] = field(default_factory=dict)
    unheard: list[str] = field(default_factory=list)
    _buckets: dict[str, Buckets] = field(default_factory=dict)
    _current: str | None = None
    _no_way_back: list[str] = field(default_factory=list)

    def step(self, now_ms: int) -> RollBack | None:
        """Read what came since the last step, judge the current version, act.

        Raises TopicError, redis.RedisError, or VersionError if another version has become current
        meanwhile: nothing was decided then. Also if there is none to go back to, once: it is tried
        again when there are others.
        """
        current = self.publisher.current()
        if current != self._current:
            self._current, self._buckets = current, {}
        end = self.topic.end()
        self.served = by_version(
            self.topic.read(self.offsets, end), self.window_minutes, self.served
        )
        self.offsets = end
        latency = self._latency_ms()
        before = self._before(current)
        if current is None or before is None:
            return None
        reasons = self.reasons(current, before, latency)
        kept = [current, *(item.version for item in self.publisher.versions())]
        if not reasons or kept == self._no_way_back:
            return None
        try:
            served = self.publisher.roll_back("; ".join(reasons), now_ms, expected=current)
        except VersionError as error:
            self._no_way_back = kept
            raise VersionError(f"{current} is bad ({'; '.join(reasons)}), but {error}") from None
        return RollBack(current, served, reasons)

    def reasons(self, current: str, before: str, latency_ms: float | None) -> list[str]:
        """Why the current version must not go on, by its own last labels and those of the one
        before."""
        late = {} if latency_ms is None else {"latency_ms": latency_ms}
        own, other = (
            self.served.get(version, ServedWindow(self.window_minutes)).metrics()
            for version in (current, before)
        )
        return refusal_reasons({**own, **late}, other, self.limits)

    def _before(self, current: str | None) -> str | None:
        """The version that a roll-back would go to."""
        earlier = None
        for item in self.publisher.versions():
            if item.version == current:
                return earlier
            if item.manifest is not None and item.withdrawn is None:
                earlier = item.version
        return None

    def _latency_ms(self) -> float | None:
        """99th percentile since the version became current, of the slowest scorer that answers."""
        slowest: float | None = None
        self.unheard = []
        for url in self.scorers:
            try:
                buckets = read_buckets(url)
            except (OSError, HTTPException, ValueError) as error:
                self.unheard.append(f"{url}: {error}")
                continue
            first = self._buckets.setdefault(url, buckets)
            since = {bound: count - first.get(bound, 0.0) for bound, count in buckets.items()}
            found = percentile_ms(since)
            if found is not None:
                slowest = max(found, slowest or 0.0)
        return slowest


def read_buckets(url: str) -> Buckets:
    """Requests by upper bound of their seconds, cumulative, of a scorer. Raises OSError,
    HTTPException, or ValueError if the answer is no metrics."""
    if not re.match(r"https?://", url):
        raise OSError(f"CTR_BOOTSTRAP_WATCH_SCORERS: {url} is no http URL")
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
        text = answer.read().decode()
    buckets: Buckets = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{REQUEST_SECONDS.name}_bucket":
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
    return buckets


def percentile_ms(buckets: Buckets, least_requests: int = 100) -> float | None:
    """Upper bound of the bucket that holds the percentile; None for too few requests."""
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] < least_requests:
        return None
    wanted = PERCENTILE * buckets[bounds[-1]]
    return 1000.0 * next(bound for bound in bounds if buckets[bound] >= wanted)
