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
from schemas.row_delta import RowDelta
from streaming.learning.learner import LearnReport
from streaming.learning.learnt_model import LearntModel
from streaming.learning.row_commands import put_rows
from streaming.redis_sink.pipeline import RedisPipeline
from streaming.redis_sink.raw_commands import packed

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

        if delta.sequence == 0:
            changed = [packed("DEL", rows), *_put(rows, *model.learner.touched_rows())]
        else:
            changed = _put(rows, delta.ids, delta.values)
        limit = redis_keys.MODEL_DELTAS_MAX_ENTRIES
        lives = redis_keys.MODEL_DELTAS_TTL_SECONDS
        commands = [
            packed("HMGET", learner, "epoch", "sequence"),
            *changed,
            packed("XADD", deltas, "MAXLEN", "~", limit, "*", *_flat(delta.to_fields())),
            packed("HSET", learner, *_flat(status.to_fields())),
            *(packed("EXPIRE", key, lives) for key in (rows, deltas)),
        ]
        epoch, sequence = self._pipeline.transact_raw(commands, learner)[0]
        return None if epoch is None else (epoch.decode(), int(sequence))


def _put(key: str, ids: NDArray[np.int32], values: NDArray[np.float32]) -> list[bytes]:
    parts = [slice(at, at + ROWS_PER_COMMAND) for at in range(0, len(ids), ROWS_PER_COMMAND)]
    return [put_rows(key, ids[part], values[part]) for part in parts]


def _flat(fields: Mapping[Any, Any]) -> Iterator[Any]:
    return (part for item in fields.items() for part in item)
