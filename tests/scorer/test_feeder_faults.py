"""What the feeder tells of faults: each kind once, as long as it lasts."""

import pytest
import redis
from structlog.testing import capture_logs

from scorer import feeder
from tests.scorer.running_scorer import RunningScorer, eventually

FAILED, AGAIN = "feeder step failed", "following Redis again"
AWAY = "Redis is away, serving what is in memory"


def test_an_outage_of_redis_is_told_whatever_was_wrong_before(
    scorer: RunningScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, step = scorer.process._feeder, scorer.process._feeder._step
    faults: list[Exception] = [
        ValueError("damaged"), ValueError("damaged"),
        redis.ConnectionError("refused"), redis.TimeoutError("too slow"),
        ValueError("damaged"),
    ]  # fmt: skip

    def fails_first() -> None:
        if faults:
            raise faults.pop(0)
        step()

    monkeypatch.setattr(feeder, "_BACKOFF_SECONDS", 0.0)
    with capture_logs() as lines:
        monkeypatch.setattr(running, "_step", fails_first)
        eventually(lambda: any(line["event"] == AGAIN for line in lines))
    told = [line["event"] for line in lines if line["event"] in (FAILED, AWAY, AGAIN)]
    assert told == [FAILED, AWAY, FAILED, AGAIN]
