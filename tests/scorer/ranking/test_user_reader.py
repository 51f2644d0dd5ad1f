"""The read of a user: its own budget, and a Redis that is away costs one request in each pause."""

import pytest
import redis
from prometheus_client import CollectorRegistry, Counter
from redis.exceptions import SlotNotCoveredError

from deploy.local.ports import free_ports
from scorer.ranking import user_reader
from scorer.ranking.budget import Budget
from scorer.ranking.user_reader import (
    FAILURES_BEFORE_PAUSE,
    FIRST_PAUSE_SECONDS,
    PAUSE_SECONDS,
    UserReader,
)
from tests.scorer.publisher import Publisher


def counter() -> Counter:
    return Counter("reads", "Reads", ["outcome"], registry=CollectorRegistry())


def test_what_was_asked_and_not_read_is_no_answer_to_the_next(
    redis_url: str, publisher: Publisher
) -> None:
    publisher.user("u-1", {"segment": "s1"})
    publisher.user("u-2", {"segment": "s2"})
    reader = UserReader(redis_url, 5.0, counter())
    reader.ask("u-1")
    row = reader.read("u-2", 5.0)
    assert row is not None
    assert (row.user_id, row.attributes) == ("u-2", {"segment": "s2"})


def test_one_request_in_each_pause_tries_a_redis_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 10.0
    (port,) = free_ports(1)
    reader = UserReader(f"redis://127.0.0.1:{port}/0", 1.0, counter(), clock=lambda: now)
    tried: list[str] = []
    connect = reader._connection

    def counted(server: redis.Redis) -> object:
        tried.append("")
        return connect(server)

    monkeypatch.setattr(reader, "_connection", counted)
    for _ in range(FAILURES_BEFORE_PAUSE + 5):
        assert reader.read("u", 1.0) is None
    assert len(tried) == FAILURES_BEFORE_PAUSE
    # A moment at first; each further failure doubles the pause, up to a limit.
    pauses = []
    for attempt in range(1, 9):
        since = now
        while len(tried) < FAILURES_BEFORE_PAUSE + attempt:
            now += FIRST_PAUSE_SECONDS / 2
            for _ in range(5):
                assert reader.read("u", 1.0) is None
        pauses.append(now - since)
    assert pauses[0] == pytest.approx(FIRST_PAUSE_SECONDS)
    assert pauses[1] == pytest.approx(2 * FIRST_PAUSE_SECONDS)
    assert pauses[-1] == pytest.approx(PAUSE_SECONDS, abs=FIRST_PAUSE_SECONDS)


def test_a_key_that_no_node_of_a_cluster_holds_is_no_user(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncovered(client: redis.Redis, key: str) -> redis.Redis:
        raise SlotNotCoveredError("Slot 7 is not covered by the cluster")

    monkeypatch.setattr(user_reader, "node_of", uncovered)
    assert UserReader(redis_url, 1.0, counter()).read("u", 1.0) is None


@pytest.mark.parametrize(("left_ms", "read_ms"), [(80, 30), (30, 22), (10, 5), (0, 0)])
def test_a_read_leaves_time_for_what_comes_after(left_ms: float, read_ms: float) -> None:
    budget = Budget.of_seconds(left_ms / 1000, now=lambda: 5.0)
    assert budget.for_reading(0.030, 0.008) == pytest.approx(read_ms / 1000)
