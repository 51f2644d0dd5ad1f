"""Redis loses rows in every way it can; the events job writes them again, byte for byte.

One job, one history; each loss begins where the one before it was made good.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.settings import ROOT
from schemas import redis_keys, topics
from schemas.records import Ad, User
from schemas.redis_values import CounterRow, versioned
from tests.streaming.jobs.expected import Rules, counter_rows, outcome
from tests.streaming.jobs.random_history import history
from tests.streaming.jobs.running_job import RunningJob, running_job

RULES = Rules()
END = 1_702_000_000_000
IMPRESSIONS = 400
GHOST = "ad:ghost"
Rows = dict[bytes, dict[bytes, bytes]]


class Played:
    """The job after its history, and the rows that it wrote."""

    def __init__(self, job: RunningJob) -> None:
        self.job = job
        for number in range(30):
            ad, user = f"ad-{number}", f"rebuild-{number}"
            _store(job, topics.ADS, ad, Ad(ad, END, "ACTIVE", number).encode())
            _store(job, topics.USERS, user, User(user, END, {"segment": "s"}).encode())
        for deleted in ("ad-1", "ad-2"):
            _store(job, topics.ADS, deleted, None)
        for happening in history(3, "rebuild", END, IMPRESSIONS, RULES):
            happening.send(job.journal)
        job.reach(END)
        job.catch_up()
        expected = counter_rows(
            outcome(job.journal.entries, RULES).engagements, job.journal.watermark
        )
        job.until(lambda: job.counters() == expected, "counters agree with the oracle")
        job.until(lambda: len(job.ads()) == 28, "the catalogue is in Redis")
        self.wait_until_complete()
        self.rows = self.now()

    def now(self) -> Rows:
        """Counters, ads and users as they are stored."""
        store: Any = self.job.redis
        patterns = (redis_keys.COUNTERS, redis_keys.ADS, redis_keys.USER_PREFIX + "*")
        keys = [key for each in patterns for key in store.scan_iter(each % "*")]
        return {key: store.hgetall(key) for key in keys}

    def wait_until_complete(self) -> None:
        """Nothing that was lost is still missing."""
        client = self.job.redis
        self.job.until(lambda: bool(client.exists(redis_keys.ROWS_COMPLETE)), "all rows written")

    def wait_for_rows(self, why: str) -> None:
        """The same bytes as at the beginning."""
        self.job.until(lambda: self.now() == self.rows, why)

    def damage(self) -> None:
        """A counter is gone, one has lost its deletion, ads are missing."""
        store: Any = self.job.redis
        lost = next(iter(self.job.counters()))
        store.hdel(redis_keys.counters(redis_keys.shard(lost)), lost)
        ghost = versioned(END, CounterRow((1,) * 4, (0,) * 4).pack())
        store.hset(redis_keys.counters(redis_keys.shard(GHOST)), GHOST, ghost)
        store.delete(*(key for key in self.rows if key.startswith(b"ctr:ads:")))
        assert self.now() != self.rows


def _store(job: RunningJob, topic: topics.Topic, key: str, value: bytes | None) -> None:
    entry = job.journal.unusable(topic, value, "", key.encode())
    job.journal.entries.remove(entry)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with running_job(tmp_path_factory.mktemp("rebuild"), RULES) as job:
        yield Played(job)


def test_only_what_is_permanent_never_expires(played: Played) -> None:
    store: Any = played.job.redis
    assert played.rows
    lasting = {key for key in store.scan_iter() if store.ttl(key) < 0}
    assert lasting - {redis_keys.CHANGES.encode()} == {
        key for key in played.rows if key.startswith(b"ctr:ads:")
    }


def test_the_command_makes_good_whatever_is_wrong(played: Played) -> None:
    played.damage()
    done = subprocess.run(
        [sys.executable, "-m", "streaming", "rebuild-redis", "--json", "--timeout", "120"],
        env=played.job.process_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["parts"] == 3
    assert played.now() == played.rows


def test_a_redis_that_was_emptied_is_filled_again(played: Played) -> None:
    store: Any = played.job.redis
    store.flushall()
    store.function_flush()
    played.wait_for_rows("an emptied Redis is filled")
    played.wait_until_complete()


def test_a_redis_that_was_restarted_gets_what_it_may_have_lost(played: Played) -> None:
    played.damage()
    played.job.stack.restart("redis")
    played.job.stack.wait_until_ready("redis")
    played.wait_for_rows("a restarted Redis is filled")
    played.wait_until_complete()


def test_a_job_that_goes_on_fills_an_empty_redis(played: Played) -> None:
    store: Any = played.job.redis
    store.flushall()
    restored = played.job.kill()
    assert "/checkpoints/" in restored
    played.wait_for_rows("the job goes on with an empty Redis")
