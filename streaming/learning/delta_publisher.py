"""Rows that a learner changed -> the stream of deltas, the compacted rows and the learner's status.

An epoch is one unbroken run on one base. With its first delta the compacted rows are replaced by
all that the model has changed since the base: rows of a run that was lost (a crash, a Redis that
came back older) are gone, and the new epoch makes scorers read them again.

Rows come first, in many short commands: who reads them in between has some that the next delta
brings again, as values are absolute. Delta and status follow in one transaction.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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

#: Redis does one command at a time, and scorers read users meanwhile: these take it half a
#: millisecond.
ROWS_PER_COMMAND = 500

#: Ids [n] and values [n, 1 + dim] of table rows.
Rows = tuple[NDArray[np.int32], NDArray[np.float32]]


def wall_clock_ms() -> int:
    """Now, as Unix time."""
    return time.time_ns() // 1_000_000


class DeltaPublisher:
    """Publishes the deltas of one model; there must be no second publisher for it. While a thread
    packs and sends a delta, the next one is learnt."""

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
        self._thread = ThreadPoolExecutor(1, "publishing")
        self._sent: Future[None] | None = None

    def publish(
        self,
        model: LearntModel,
        report: LearnReport,
        click_ts: NDArray[np.int64],
        when_published: Callable[[], None] = lambda: None,
    ) -> RowDelta:
        """Begin to publish what the model has just learnt: its rows, then one delta, in one
        transaction with the status. The one before is published then.

        Raises RedisUnavailableError; it is not known then which of the two was published.
        """
        self.wait()
        held = self._held()
        if self._sequence >= 0 and held != (self._epoch, self._sequence):
            _log.warning("redis does not hold our last delta, publishing all anew", held=held)
            self._base_version = ""
        delta = self._next_delta(model, report, click_ts)
        status = self._status(model, delta).to_fields()
        all_rows = model.learner.touched_rows() if delta.sequence == 0 else None
        self._sent = self._thread.submit(self._send, delta, status, all_rows, when_published)
        return delta

    def wait(self) -> None:
        """Until all is published. Raises RedisUnavailableError."""
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.result()

    def look(self) -> None:
        """Raises RedisUnavailableError if the last delta is already known to have failed."""
        if self._sent is not None and self._sent.done():
            self.wait()

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

    def _held(self) -> tuple[str, int] | None:
        """Epoch and sequence that Redis holds, None if it holds none."""
        key = redis_keys.model_learner(self._model_name)
        epoch, sequence = self._pipeline.execute_raw(
            [packed("HMGET", key, "epoch", "sequence")], [key]
        )[0]
        return None if epoch is None else (epoch.decode(), int(sequence))

    def _status(self, model: LearntModel, delta: RowDelta) -> LearnerStatus:
        return LearnerStatus(
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

    def _send(
        self,
        delta: RowDelta,
        status: Mapping[str, str | int],
        all_rows: Rows | None,
        when_published: Callable[[], None],
    ) -> None:
        """With ``all_rows`` a new epoch begins, which has these and no others."""
        rows = redis_keys.model_rows(self._model_name, delta.base_version)
        deltas = redis_keys.model_deltas(self._model_name, delta.base_version)
        learner = redis_keys.model_learner(self._model_name)
        put = (
            _put(rows, delta.ids, delta.values)
            if all_rows is None
            else [packed("UNLINK", rows), *_put(rows, *all_rows)]
        )
        limit = redis_keys.MODEL_DELTAS_MAX_ENTRIES
        lives = redis_keys.MODEL_DELTAS_TTL_SECONDS
        told = [
            packed("XADD", deltas, "MAXLEN", "~", limit, "*", *_flat(delta.to_fields())),
            packed("HSET", learner, *_flat(status)),
            packed("EXPIRE", deltas, lives),
        ]
        put.append(packed("EXPIRE", rows, lives))
        self._pipeline.execute_raw(put, [rows] * len(put))
        self._pipeline.transact_raw(told, learner)
        when_published()


def _put(key: str, ids: NDArray[np.int32], values: NDArray[np.float32]) -> list[bytes]:
    parts = [slice(at, at + ROWS_PER_COMMAND) for at in range(0, len(ids), ROWS_PER_COMMAND)]
    return [put_rows(key, ids[part], values[part]) for part in parts]


def _flat(fields: Mapping[Any, Any]) -> Iterator[Any]:
    return (part for item in fields.items() for part in item)
