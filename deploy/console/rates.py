"""Counters seen again and again become rates; histograms become quantiles of the last moments."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.scrape import Histogram

RECENT_SECONDS = 10.0
#: Few events need longer to tell a quantile of.
QUANTILE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """Totals and histograms by name at one moment, in epoch seconds."""

    at: float
    totals: Mapping[str, float]
    histograms: Mapping[str, Histogram]


@dataclass(slots=True)
class Rates:
    """The looks of the last minute."""

    _looks: deque[Look] = field(default_factory=lambda: deque(maxlen=600))

    def add(self, look: Look) -> None:
        """Looks come in order of time."""
        self._looks.append(look)
        while look.at - self._looks[0].at > QUANTILE_SECONDS:
            self._looks.popleft()

    def per_second(self, name: str) -> float | None:
        """Over RECENT_SECONDS; None before two looks. A counter that went back began anew."""
        known = [look for look in self._looks if name in look.totals]
        if len(known) < 2:
            return None
        last = known[-1]
        recent = [look for look in known[:-1] if last.at - look.at <= RECENT_SECONDS] or known[
            -2:-1
        ]
        first = recent[0]
        gained, seconds = last.totals[name] - first.totals[name], last.at - first.at
        return max(0.0, gained) / seconds if seconds > 0 else None

    def quantile(self, name: str, q: float) -> float | None:
        """Of the values of the last minute; None without any."""
        known = [look for look in self._looks if name in look.histograms]
        if not known:
            return None
        first = known[0].histograms[name] if len(known) > 1 else None
        return known[-1].histograms[name].since(first).quantile(q)
