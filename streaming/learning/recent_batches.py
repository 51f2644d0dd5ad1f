"""What was learnt last, for a base that was made meanwhile: it has labels up to a moment before it
was published, and the learner comes to it seconds later."""

from collections import deque

from streaming.learning.sample_batch import SampleBatch

#: A few times what comes between the last label of a base and its adoption.
MOST_BATCHES, MOST_BYTES = 300, 64 << 20


class RecentBatches:
    """In the order in which they were learnt; the oldest make room."""

    def __init__(self) -> None:
        self._kept: deque[SampleBatch] = deque()
        self._bytes = 0

    def add(self, batch: SampleBatch) -> None:
        """A batch was learnt."""
        if batch.is_empty:
            return
        self._kept.append(batch)
        self._bytes += batch.nbytes
        while len(self._kept) > MOST_BATCHES or self._bytes > MOST_BYTES:
            self._bytes -= self._kept.popleft().nbytes

    def after(self, watermark_ms: int) -> list[SampleBatch]:
        """Those with labels after a time (ms); none if some of them may not be kept any more, as
        with a base of long ago, which is gone back to for what it had not learnt."""
        if not self._kept or self._kept[0].watermark_ms > watermark_ms:
            return []
        return [batch for batch in self._kept if batch.watermark_ms > watermark_ms]
