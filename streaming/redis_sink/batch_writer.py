"""Batches of ready commands, as RedisBatches.java makes them -> Redis.

All values are absolute and versioned, and only a newer or equal version is written, so a replay
changes nothing. A delete leaves no version behind: a replay that begins before the delete brings
the row back until it comes to that delete again. So it ends where the first run ended (a property
test shows it), and no store of dead keys grows.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from schemas import redis_keys
from streaming.metrics import sink_metrics
from streaming.redis_sink.pipeline import RedisPipeline


def wall_clock_ms() -> int:
    """Now, as Unix time."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class RedisBatch:
    """``commands`` [n] on keys of ``shards`` [n], then ``changes`` to the stream of changes.

    ``click_ts`` are the times of the clicks that the batch is the first to count. ``rewritten``,
    if not empty, is the request and the part of a writing of all rows that ends with this batch.
    """

    kind: str
    rows: int
    commands: Sequence[bytes]
    shards: Sequence[int]
    changes: Sequence[bytes] = ()
    click_ts: Sequence[int] = ()
    rewritten: str = ""


class BatchWriter:
    """Each batch is one pipeline, or one a server, and one observation of the metrics."""

    def __init__(
        self,
        pipeline: RedisPipeline,
        registry: CollectorRegistry,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._pipeline = pipeline
        self._metrics = sink_metrics(registry)
        self._now_ms = now_ms
        pipeline.load_functions()

    def write(self, batch: RedisBatch) -> None:
        """Raises RedisUnavailableError when Redis is away for longer than the pipeline waits.

        The changes come after the rows: whoever notes the stream's end, reads the rows and then
        follows the stream misses nothing.
        """
        if batch.rows:
            with self._metrics.batch_seconds.time():
                self._pipeline.execute_raw(
                    batch.commands, [redis_keys.counters(shard) for shard in batch.shards]
                )
                if batch.changes:
                    changes = [redis_keys.CHANGES] * len(batch.changes)
                    self._pipeline.execute_raw(batch.changes, changes)
            self._metrics.rows_written.labels(batch.kind).inc(batch.rows)
        now_ms = self._now_ms()
        for ts in batch.click_ts:
            self._metrics.click_to_counter_seconds.observe((now_ms - ts) / 1000)
        if batch.rewritten:
            part_done(self._pipeline, *batch.rewritten.split(" "))


def part_done(pipeline: RedisPipeline, request: str, part: str) -> bool:
    """A part of a writing of all rows is in Redis; True if it was the last one."""
    (last,) = pipeline.execute(
        lambda commands: commands.execute_command(
            "FCALL",
            redis_keys.PART_DONE,
            2,
            redis_keys.REWRITE,
            redis_keys.ROWS_COMPLETE,
            request,
            part,
            redis_keys.ROWS_TTL_SECONDS,
        ),
        redis_keys.REWRITE,
    )
    return bool(last)
