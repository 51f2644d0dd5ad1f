"""When rows that changed are to be saved, and when it is cheaper to note the batch.

A batch is small, and learning is deterministic: the same batches again on what was saved give the
same model. Rows that a batch changes are many times its size, but the same ones again and again.
"""

from dataclasses import dataclass

MAX_BATCHES = 300
MIN_LOG_BYTES, MAX_LOG_BYTES = 1 << 20, 128 << 20


@dataclass(slots=True)
class StateLog:
    """Sizes of what was saved and noted; decides when to save again.

    With a log of up to what a save writes, saves at most double what is written for each byte that
    is learnt. What limits the log for large tables is that a restore learns it again.
    """

    saved_bytes: int
    log_bytes: int = 0
    batches: int = 0

    def has_room(self, batch_bytes: int) -> bool:
        """Whether one more batch is to be noted; if not, the model is to be saved. There is room
        for the first batch, however large."""
        most = min(max(self.saved_bytes, MIN_LOG_BYTES), MAX_LOG_BYTES)
        return not self.batches or (
            self.batches < MAX_BATCHES and self.log_bytes + batch_bytes <= most
        )

    def add(self, batch_bytes: int) -> None:
        """A batch was noted."""
        self.log_bytes += batch_bytes
        self.batches += 1
