"""Counters and last clicks as they stood at any time of a log, counted from the log itself."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence

from bootstrap.logged_rows import NO_CLICK, LoggedRow
from schemas.features import FeatureSpec
from schemas.redis_values import CounterRow, UserRow
from schemas.windows import LAST_CLICKS, WINDOWS_MS


class EventCounts:
    """Counts what the declaration counts, in windows (t − w, t), each event at its own time.

    With ``known`` they stand still after the first so many rows, and later rows see them so.
    """

    def __init__(
        self, spec: FeatureSpec, rows: Sequence[LoggedRow], known: int | None = None
    ) -> None:
        self._spec = spec
        counted = rows if known is None else rows[:known]
        self._end_ms = None if known is None or not counted else counted[-1].ts_ms + 1
        self._impressions: dict[str, list[int]] = defaultdict(list)
        self._clicks: dict[str, list[int]] = defaultdict(list)
        self._clicked: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for row in counted:
            keys = self._keys(row)
            for key in keys:
                self._impressions[key].append(row.ts_ms)
            if row.click_ms != NO_CLICK:
                for key in keys:
                    self._clicks[key].append(row.click_ms)
                self._clicked[row.user_id].append((row.click_ms, row.ad_id))
        for times in (*self._impressions.values(), *self._clicks.values()):
            times.sort()
        for clicked in self._clicked.values():
            clicked.sort()

    def user(self, row: LoggedRow) -> UserRow:
        """The user of an impression as he was known just before it."""
        clicked = self._clicked.get(row.user_id, [])
        end = bisect_left(clicked, (self._now_ms(row), ""))
        return UserRow(
            user_id=row.user_id,
            attributes=row.user_attributes,
            clicked_ads=[ad_id for _, ad_id in clicked[max(0, end - LAST_CLICKS) : end]][::-1],
            counters=self._counters(self._spec.user_counters, row),
        )

    def of_ad(self, row: LoggedRow) -> dict[str, CounterRow]:
        """Counters of the ad of an impression, by name, just before it."""
        return self._counters(self._spec.ad_counters, row)

    def _counters(self, names: Sequence[str], row: LoggedRow) -> dict[str, CounterRow]:
        values, now_ms = _values(row), self._now_ms(row)
        counters = {}
        for name in names:
            key = self._spec.counter_key(name, values)
            counters[name] = CounterRow(
                impressions=_windows(self._impressions.get(key, []), now_ms),
                clicks=_windows(self._clicks.get(key, []), now_ms),
            )
        return counters

    def _now_ms(self, row: LoggedRow) -> int:
        return row.ts_ms if self._end_ms is None else min(row.ts_ms, self._end_ms)

    def _keys(self, row: LoggedRow) -> list[str]:
        values = _values(row)
        names = {*self._spec.user_counters, *self._spec.ad_counters}
        return [self._spec.counter_key(name, values) for name in names]


def _windows(times: Sequence[int], now_ms: int) -> tuple[int, ...]:
    end = bisect_left(times, now_ms)
    return tuple(end - bisect_right(times, now_ms - size, hi=end) for size in WINDOWS_MS.values())


def _values(row: LoggedRow) -> dict[str, dict[str, str]]:
    return {
        "user": {**row.user_attributes, "user_id": row.user_id},
        "context": dict(row.context),
        "ad": {**row.ad_attributes, "ad_id": row.ad_id},
    }
