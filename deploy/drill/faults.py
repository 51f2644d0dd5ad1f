"""The faults of the drill: each begins, goes on while it is watched, and is put right."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import redis
from confluent_kafka import Producer

from bootstrap.publisher import Publisher
from deploy.local.part import StackError
from deploy.local.part_runner import State
from deploy.local.stack import LocalStack
from deploy.local.state import PartState
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import CALIBRATION_FILE, ModelPackage, file_entries
from schemas.records import Impression, Served
from schemas.served_token import TokenKeys
from schemas.settings import SharedSettings
from schemas.topics import IMPRESSIONS
from stores.kafka_client import client_settings
from stores.redis_client import connect
from streaming.adserver.event_producer import DeliveryError

LOGITS_OFF = 1.5
POISON_AT_ONCE = 5


def nothing() -> None:
    """Of what goes on by itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``alert`` must fire within ``fire_seconds`` and clear within ``clear_seconds`` of the end."""

    name: str
    alert: str
    begin: Callable[[], None]
    go_on: Callable[[], None]
    end: Callable[[], None]
    fire_seconds: float = 180.0
    clear_seconds: float = 240.0


class Faults:
    """Those of one stack that is up and has a model."""

    def __init__(
        self, stack: LocalStack, shared: SharedSettings, traffic: Callable[[bool], None]
    ) -> None:
        self._stack = stack
        self._shared = shared
        self._traffic = traffic
        self._keys = TokenKeys.parse(shared.token_keys)
        self._spec = FeatureSpec.load(shared.features)
        self._producer = Producer({**client_settings(shared.kafka), "log_level": 2})
        self._frozen_ms = 0
        self._number = 0
        self._killed: set[str] = set()

    def all(self) -> list[Fault]:
        """In the order of the drill."""
        return [
            Fault("poison records", "RecordsRefused", self._poison, self._poison, nothing),
            Fault("learner stopped", "LearnerStopped", self._hang, nothing, self._wake),
            Fault("miscalibrated model", "ModelMiscalibrated", self._shift, nothing, self._unshift),
            Fault(
                "partition frozen", "PartitionFrozen", self._freeze, self._send_frozen, self._flow
            ),
            Fault("Redis killed", "RedisDown", self._kill_redis, nothing, self._start_redis),
        ]

    def _poison(self) -> None:
        for _ in range(POISON_AT_ONCE):
            self._producer.produce(IMPRESSIONS.name, key=b"poison", value=b"poison")
        self._flush()

    def _hang(self) -> None:
        """All of the job's processes: a stop that nobody sees by an exit code."""
        os.killpg(self._process("learning"), signal.SIGSTOP)

    def _wake(self) -> None:
        os.killpg(self._process("learning"), signal.SIGCONT)

    def _shift(self) -> None:
        """With the learner stopped, which follows the base rate and would hide it."""
        self._hang()
        publisher = self._publisher()
        live = publisher.fetch(publisher.current() or "")
        now_ms = time.time_ns() // 1_000_000
        publisher.publish(shifted(live, LOGITS_OFF, now_ms), now_ms)

    def _unshift(self) -> None:
        self._publisher().roll_back("drill", time.time_ns() // 1_000_000)
        self._wake()

    def _freeze(self) -> None:
        """Partition 1 gets events of one and the same moment, partition 0 those of now."""
        self._traffic(False)
        self._frozen_ms = time.time_ns() // 1_000_000
        self._send_frozen()

    def _send_frozen(self) -> None:
        self._send(0, time.time_ns() // 1_000_000)
        self._send(1, self._frozen_ms)

    def _flow(self) -> None:
        self._traffic(True)

    def _kill_redis(self) -> None:
        self._killed.add("redis")
        self._stack.kill("redis")

    def _start_redis(self) -> None:
        self._stack.restart("redis")
        self._stack.wait_until_ready("redis", 60)
        self._killed.clear()

    def _send(self, partition: int, ts: int) -> None:
        self._number += 1
        request = f"drill-{self._number}"
        inputs = bytes(Layout.of(self._spec).dtype.itemsize)
        fingerprint = self._spec.fingerprint
        served = Served(request, "drill", "drill", "none", 0.1, 1.0, fingerprint, (), inputs)
        shown = Impression(request, "drill", "drill", ts, 2, 1, self._keys.sign(served))
        self._producer.produce(
            IMPRESSIONS.name, key=request, value=shown.encode(), partition=partition
        )
        self._flush()

    def _flush(self) -> None:
        if self._producer.flush(10):
            raise DeliveryError("Kafka takes no records")

    def _process(self, part: str) -> int:
        found: list[PartState] = [state for state in self._stack.status() if state.name == part]
        pid = found[0].pid if found else None
        if pid is None:
            raise ProcessLookupError(f"{part} does not run")
        return pid

    def _publisher(self) -> Publisher:
        client: redis.Redis = connect(self._shared.redis)
        return Publisher(client, self._shared.model, keep_versions=5)

    def require_parts(self) -> None:
        """Raises StackError if a part has failed for good that was not killed here."""
        for part in self._stack.status():
            if part.state is State.FAILED and part.name not in self._killed:
                raise StackError(self._stack.failure or part.detail)

    def put_right(self) -> None:
        """Whatever happened, let no process stay stopped."""
        with suppress(ProcessLookupError):
            self._wake()


def shifted(live: ModelPackage, logits: float, now_ms: int) -> ModelPackage:
    """The same model whose probabilities are off by so many logits."""
    calibration = Calibration.model_validate_json(live.files[CALIBRATION_FILE])
    wrong = calibration.shifted(logits).model_dump_json().encode()
    files = {**live.files, CALIBRATION_FILE: wrong}
    manifest = live.manifest.model_copy(
        update={
            "version": f"{live.manifest.version}-drill",
            "parent": live.manifest.version,
            "created_ms": now_ms,
            "files": file_entries(files),
        }
    )
    return ModelPackage.checked(manifest, files)
