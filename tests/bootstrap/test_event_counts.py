"""Counters and last clicks at any time of a log: exactly what counting one by one gives."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bootstrap.event_counts import EventCounts
from bootstrap.logged_rows import NO_CLICK, LoggedRow
from schemas.features import FeatureSpec
from schemas.redis_values import CounterRow
from schemas.windows import LAST_CLICKS, WINDOWS_MS
from tests.bootstrap.small_logs import DAY_MS, logged_row

SPEC = FeatureSpec.load("world")
WINDOWS = tuple(WINDOWS_MS.values())
#: Times that meet the borders of windows exactly, and miss them by one.
TIMES = st.sampled_from([20 * DAY_MS + w + d for w in (0, *WINDOWS) for d in (-1, 0, 1)])
ROWS = st.builds(
    lambda ts, user, ad, delay: logged_row(
        ts, f"u{user}", f"a{ad}", NO_CLICK if delay is None else ts + delay, advertiser=f"v{ad % 2}"
    ),
    TIMES,
    st.integers(0, 2),
    st.integers(0, 3),
    st.none() | st.sampled_from([0, 1, *WINDOWS]) | st.integers(0, 8 * DAY_MS),
)


def counted(rows: list[LoggedRow], now_ms: int) -> CounterRow:
    """Events of these rows in (now − window, now)."""
    impressions = [row.ts_ms for row in rows]
    clicks = [row.click_ms for row in rows if row.click_ms != NO_CLICK]

    def within(times: list[int]) -> tuple[int, ...]:
        return tuple(sum(now_ms - size < ts < now_ms for ts in times) for size in WINDOWS)

    return CounterRow(within(impressions), within(clicks))


@settings(deadline=None)
@given(st.lists(ROWS, max_size=25))
def test_counts_are_those_of_counting_one_by_one(rows: list[LoggedRow]) -> None:
    counts = EventCounts(SPEC, rows)
    for now in rows:
        advertiser = now.ad_attributes["advertiser"]
        of_user = [row for row in rows if row.user_id == now.user_id]
        of_ad = [row for row in rows if row.ad_id == now.ad_id]
        of_advertiser = [row for row in rows if row.ad_attributes["advertiser"] == advertiser]
        assert counts.user(now).counters == {"user": counted(of_user, now.ts_ms)}
        assert counts.of_ad(now) == {
            "ad": counted(of_ad, now.ts_ms),
            "advertiser": counted(of_advertiser, now.ts_ms),
        }


@settings(deadline=None)
@given(st.lists(ROWS, max_size=25))
@example([logged_row(1000 + n, ad_id=f"a{n}", click_ms=2000 + n) for n in range(60)])
def test_last_clicks_are_those_before_newest_first(rows: list[LoggedRow]) -> None:
    counts = EventCounts(SPEC, rows)
    for now in [*rows, logged_row(40 * DAY_MS)]:
        before = sorted(
            (row.click_ms, row.ad_id)
            for row in rows
            if row.user_id == now.user_id and NO_CLICK != row.click_ms < now.ts_ms
        )
        expected = [ad_id for _, ad_id in reversed(before)][:LAST_CLICKS]
        user = counts.user(now)
        assert user.clicked_ads == expected
        assert user.user_id == now.user_id
        assert user.attributes == now.user_attributes


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=25), st.integers(1, 25))
def test_a_frozen_model_sees_counts_as_they_stood_at_the_end_of_its_history(
    rows: list[LoggedRow], known: int
) -> None:
    rows = sorted(rows, key=lambda row: row.ts_ms)
    history = rows[:known]
    counts = EventCounts(SPEC, rows, known)
    for now in rows:
        ts_ms = min(now.ts_ms, history[-1].ts_ms + 1)
        of_user = [row for row in history if row.user_id == now.user_id]
        of_ad = [row for row in history if row.ad_id == now.ad_id]
        assert counts.user(now).counters == {"user": counted(of_user, ts_ms)}
        assert counts.of_ad(now)["ad"] == counted(of_ad, ts_ms)


def test_an_unknown_user_and_ad_have_no_past() -> None:
    counts = EventCounts(SPEC, [logged_row(1000, click_ms=1500)])
    stranger = logged_row(2000, "u9", "a9", advertiser="v9")
    assert counts.user(stranger).clicked_ads == []
    assert all(row.is_zero for row in counts.user(stranger).counters.values())
    assert all(row.is_zero for row in counts.of_ad(stranger).values())
