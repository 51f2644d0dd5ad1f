"""The real events job with a Kafka and a Redis of its own, and what comes out of it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow.dataset as ds
import pytest
import redis
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from deploy.local.ports import HOST, free_ports
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.stack import LocalStack
from deploy.local.state import PartState
from schemas import redis_keys, topics
from schemas.features import FeatureSpec
from schemas.lake import LANDING, SAMPLES, LakeTable
from schemas.records import DeadLetter, TrainingSample
from schemas.redis_values import CounterRow, UserRow, split_version, user_row
from schemas.served_token import TokenKeys
from streaming.flink_rest import FlinkRest
from tests.streaming.jobs.event_journal import EventJournal
from tests.streaming.jobs.expected import Rules, weight
from tests.streaming.jobs.producers_ahead import registry, write_schemas

PARTITIONS = 2
JOINED = (topics.IMPRESSIONS, topics.CLICKS)
PORTS = [name for name in LocalSettings.model_fields if name.endswith("_port")]
PATIENCE_SECONDS = 60.0
OUT_OF_ORDER_MS = 5_000
#: Then only what a test sends moves event time, not how fast this machine is.
NEVER_IDLE_MS = 600_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of an output topic."""

    key: bytes | None
    value: bytes


def read_landed(lake: Path, table: LakeTable) -> list[dict[str, Any]]:
    """Rows that are not compacted yet, repetitions and all."""
    landed = ds.dataset(lake / LANDING / table.name, partitioning="hive")
    rows: list[dict[str, Any]] = landed.to_table().to_pylist()
    return rows


@contextmanager
def running_job(folder: Path, rules: Rules, idle_ms: int = NEVER_IDLE_MS) -> Iterator["RunningJob"]:
    """A job whatever the settings of the shell are."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("CTR_")]:
            environment.delenv(name)
        with registry() as url, RunningJob(folder, rules, idle_ms, url) as job:
            yield job


class RunningJob:
    """A context manager around the local stack with Kafka, Redis and the events job."""

    parts: tuple[str, ...] = ("kafka", "redis", "events")
    patience_seconds = PATIENCE_SECONDS

    def __init__(self, folder: Path, rules: Rules, idle_ms: int, registry_url: str) -> None:
        self.rules = rules
        self.spec = FeatureSpec.load("world")
        ports: dict[str, Any] = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        settings = LocalSettings(data=folder, **ports)
        self.stack = LocalStack(
            settings,
            environment={
                "CTR_FEATURES": self.spec.name,
                "CTR_SCHEMA_DIR": str(write_schemas(folder / "schemas")),
                "CTR_SCHEMA_REGISTRY_URL": registry_url,
                "CTR_STREAMING_LABEL_WAIT_MS": str(rules.label_wait_ms),
                "CTR_STREAMING_ATTRIBUTION_WINDOW_MS": str(rules.attribution_window_ms),
                "CTR_STREAMING_NEGATIVE_KEEP": str(rules.negative_keep),
                "CTR_STREAMING_MATURE": str(rules.mature),
                "CTR_STREAMING_OUT_OF_ORDER_MS": str(OUT_OF_ORDER_MS),
                "CTR_STREAMING_IDLE_MS": str(idle_ms),
                "CTR_STREAMING_CHECKPOINT_MS": "1000",
                "CTR_STREAMING_BATCH_MS": "100",
                "CTR_STREAMING_COUNT_MS": "100",
                "CTR_STREAMING_ARCHIVE": "true",
            },
        )
        self._environment = self.stack.environment()
        self.bootstrap = self._environment["CTR_KAFKA_BOOTSTRAP"]
        keys = TokenKeys.parse(self._environment["CTR_TOKEN_KEYS"])
        self.journal = EventJournal(self.bootstrap, keys, self.spec)
        self.lake = folder / "lake"

    def __enter__(self) -> Self:
        self.stack.start(self.parts)
        url = self._environment["CTR_REDIS_URL"]
        self.redis = redis.Redis.from_url(url)
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.redis.close()
        self.stack.stop()

    def catch_up(self) -> None:
        """Return when the join has seen all that was sent to it, as bytes sent last show."""
        markers = set()
        for topic in JOINED:
            for partition in range(PARTITIONS):
                marker = f"marker {len(self.journal.entries)}".encode()
                self.journal.unusable(topic, marker, "not-avro: ", partition=partition)
                markers.add(marker)
        self.journal.flush()
        self.until(lambda: markers <= self.refused(), "the job reads on")

    def refused(self) -> set[bytes]:
        """Values of the dead letters so far."""
        return {letter.value for letter in self._dead_letters()}

    def refused_places(self) -> set[tuple[str, int, int]]:
        """Where the records lie that became dead letters so far."""
        return {(each.topic, each.partition, each.offset) for each in self._dead_letters()}

    def _dead_letters(self) -> list[DeadLetter]:
        return [DeadLetter.decode(each.value) for each in self.records(topics.DEAD_LETTERS)]

    def reach(self, ts: int) -> None:
        """Move event time: every partition gets a clicked impression of ``ts``.

        Returns when the watermark has arrived in the join, as an impression shows whose NEGATIVE
        is due shortly before.
        """
        watermark = ts - OUT_OF_ORDER_MS - 1
        names = (f"until-{ts}-{number}" for number in range(1_000))
        witness = next(name for name in names if weight(name, "a", self.rules.negative_keep) > 0)
        self.journal.impression(witness, watermark - self.rules.label_wait_ms - 1_000)
        for partition in range(PARTITIONS):
            request_id = f"heartbeat-{ts}-{partition}"
            self.journal.impression(request_id, ts, user_id="heartbeat", partition=partition)
            self.journal.click(request_id, ts, partition=partition)
        self.journal.flush()
        self.until(lambda: witness in self.labelled(), f"event time reaches {ts}")
        self.journal.watermark = watermark

    def labelled(self) -> set[str]:
        """Requests that have a sample."""
        return {sample.request_id for sample in self.samples()}

    def samples(self) -> list[TrainingSample]:
        """All samples so far."""
        letters = self.records(topics.TRAINING_SAMPLES)
        return [TrainingSample.decode(letter.value) for letter in letters]

    def process_environment(self) -> dict[str, str]:
        """For a process that works with this stack."""
        return {**os.environ, **self._environment}

    def drain(self) -> None:
        """End event time and the job, as an operator does."""
        self.stack.let_end("events")
        self.command("stop", "events", "--drain")

    def command(self, *words: str) -> str:
        """What ``python -m streaming …`` prints, which must go well."""
        done = subprocess.run(
            [sys.executable, "-m", "streaming", *words],
            env=self.process_environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self) -> str:
        """kill -9 of the job with all of its processes; returns what it goes on from."""
        restarts = self._events().restarts
        self.stack.kill("events")
        self.until(lambda: self._events().restarts > restarts, "the job is started again")
        return self._ready()

    def restart(self) -> str:
        """SIGTERM, then a new start; returns what it goes on from."""
        self.stack.restart("events")
        return self._ready()

    def _ready(self) -> str:
        self.stack.wait_until_ready("events")
        rest = FlinkRest(f"http://{HOST}:{self._environment['CTR_STREAMING_REST_PORT_EVENTS']}")
        (job,) = rest.jobs()
        return str(rest.checkpoints(job.id).restored_path)

    def _events(self) -> PartState:
        return next(part for part in self.stack.status() if part.name == "events")

    def records(self, topic: topics.Topic) -> list[Letter]:
        """All that is in a topic now."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": "tests", "log_level": 2}
        )
        try:
            letters: list[Letter] = []
            for partition, end in self._ends(topic).items():
                consumer.assign([TopicPartition(topic.name, partition, 0)])
                at = 0
                while at < end:
                    for message in consumer.consume(min(end - at, 1_000), timeout=10):
                        assert message.error() is None, message.error()
                        letters.append(Letter(message.key(), message.value()))
                        at = message.offset() + 1
            return letters
        finally:
            consumer.close()

    def lake_rows(self) -> list[dict[str, Any]]:
        """All samples of the lake as the job wrote them, with the hour of their folder."""
        return read_landed(self.lake, SAMPLES)

    def counters(self) -> dict[str, CounterRow]:
        """Every counter row in Redis by its key, those of users, too."""
        found = {
            key.decode(): CounterRow.unpack(split_version(value)[1])
            for shard in range(redis_keys.SHARDS)
            for key, value in self._hash(redis_keys.counters(shard)).items()
        }
        for user in self.users().values():
            for name, row in user.counters.items():
                found[f"{name}:{user.user_id}"] = row
        return found

    def users(self) -> dict[str, UserRow]:
        """Every user row in Redis."""
        keys = [key.decode() for key in self.redis.scan_iter(redis_keys.USER_PREFIX % "*" + "*")]
        names = {key: key.partition("}:")[2] for key in keys}
        return {name: user_row(name, self._hash(key)) for key, name in names.items()}

    def clicked_ads(self) -> dict[str, tuple[str, ...]]:
        """The last clicked ads of every user who has some."""
        users = self.users().items()
        return {name: tuple(row.clicked_ads) for name, row in users if row.clicked_ads}

    def ads(self) -> dict[str, bytes]:
        """Every catalogue entry in Redis, encoded."""
        return {
            ad_id.decode(): split_version(value)[1]
            for shard in range(redis_keys.SHARDS)
            for ad_id, value in self._hash(redis_keys.ads(shard)).items()
        }

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for a condition; fails with ``what`` was waited for when it does not come."""
        deadline = time.monotonic() + self.patience_seconds
        while not holds():
            assert not self.stack.failure, self.stack.failure
            assert time.monotonic() < deadline, f"not in {self.patience_seconds:g} s: {what}"
            time.sleep(0.1)

    def _hash(self, key: str) -> dict[bytes, bytes]:
        fields: Any = self.redis.hgetall(key)
        return dict(fields)

    def _ends(self, topic: topics.Topic) -> dict[int, int]:
        places = [TopicPartition(topic.name, partition) for partition in range(PARTITIONS)]
        latest = {place: OffsetSpec.latest() for place in places}
        ends = self._admin.list_offsets(latest).items()
        return {place.partition: answer.result(10).offset for place, answer in ends}
