"""Rows that a learner changed -> the stream of deltas, the compacted rows and the learner's status.

An epoch is one unbroken run on one base. With its first delta the compacted rows are replaced by
all that the model has changed since the base: rows of a run that was lost (a crash, a Redis that
came back older) are gone, and the new epoch makes scorers read them again.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from schemas import redis_keys
from schemas.learner_status import LearnerStatus
from schemas.row_delta import RowDelta, rows_to_hash
from streaming.learning.learner import LearnReport
from streaming.learning.learnt_model import LearntModel
from streaming.redis_sink.pipeline import Commands, RedisPipeline

_log = structlog.get_logger(__name__)

ROWS_PER_COMMAND = 10_000


def wall_clock_ms() -> int:
    """Now, as Unix time."""
    return time.time_ns() // 1_000_000


class DeltaPublisher:
    """Publishes the deltas of one model; there must be no second publisher for it."""

    def __init__(
        self,
        pipeline: RedisPipeline,
        model_name: str,
        now_ms: Callable[[], int] = wall_clock_ms,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._pipeline = pipeline
        self._model_name = model_name
        self._now_ms = now_ms
        self._new_epoch = new_epoch
        self._base_version = ""
        self._epoch = ""
        self._sequence = -1

    def publish(
        self, model: LearntModel, report: LearnReport, click_ts: NDArray[np.int64]
    ) -> RowDelta:
        """What the model has just learnt: one delta, in one transaction with rows and status.

        Raises RedisUnavailableError; it is not known then whether the delta was published.
        """
        delta = self._next_delta(model, report, click_ts)
        held = self._send(model, delta)
        if delta.sequence > 0 and held != (delta.epoch, delta.sequence - 1):
            _log.warning("redis does not hold our last delta, publishing all anew", held=held)
            self._base_version = ""
            delta = self._next_delta(model, report, click_ts)
            self._send(model, delta)
        return delta

    def _next_delta(
        self, model: LearntModel, report: LearnReport, click_ts: NDArray[np.int64]
    ) -> RowDelta:
        if model.learner.base_version != self._base_version:
            self._base_version = model.learner.base_version
            self._epoch = self._new_epoch()
            self._sequence = -1
            _log.info("new epoch", base=self._base_version, epoch=self._epoch)
        self._sequence += 1
        return RowDelta(
            base_version=self._base_version,
            epoch=self._epoch,
            sequence=self._sequence,
            ids=np.ascontiguousarray(report.ids, np.int32),
            values=np.ascontiguousarray(report.values, np.float32),
            click_ts=click_ts,
            shift=model.learner.shift,
        )

    def _send(self, model: LearntModel, delta: RowDelta) -> tuple[str, int] | None:
        """Returns epoch and sequence that Redis held before, None if it held none."""
        rows = redis_keys.model_rows(self._model_name, delta.base_version)
        deltas = redis_keys.model_deltas(self._model_name, delta.base_version)
        learner = redis_keys.model_learner(self._model_name)
        status = LearnerStatus(
            base_version=delta.base_version,
            epoch=delta.epoch,
            sequence=delta.sequence,
            seen=model.seen,
            refused=model.refused,
            watermark_ms=model.watermark_ms,
            updated_ms=self._now_ms(),
            withheld_since_ms=model.withheld_since_ms,
            drift_ms=model.drift_ms,
        )

        def fill(commands: Commands) -> None:
            commands.execute_command("HMGET", learner, "epoch", "sequence")
            if delta.sequence == 0:
                commands.execute_command("DEL", rows)
                _put_rows(commands, rows, *model.learner.touched_rows())
            else:
                _put_rows(commands, rows, delta.ids, delta.values)
            limit = redis_keys.MODEL_DELTAS_MAX_ENTRIES
            entry = _flat(delta.to_fields())
            commands.execute_command("XADD", deltas, "MAXLEN", "~", limit, "*", *entry)
            commands.execute_command("HSET", learner, *_flat(status.to_fields()))
            for key in (rows, deltas):
                commands.execute_command("EXPIRE", key, redis_keys.MODEL_DELTAS_TTL_SECONDS)

        epoch, sequence = self._pipeline.execute(fill, learner, transaction=True)[0]
        return None if epoch is None else (epoch.decode(), int(sequence))


def _put_rows(
    commands: Commands, key: str, ids: NDArray[np.int32], values: NDArray[np.float32]
) -> None:
    for start in range(0, len(ids), ROWS_PER_COMMAND):
        part = slice(start, start + ROWS_PER_COMMAND)
        commands.execute_command("HSET", key, *_flat(rows_to_hash(ids[part], values[part])))


def _flat(fields: Mapping[Any, Any]) -> Iterator[Any]:
    return (part for item in fields.items() for part in item)
