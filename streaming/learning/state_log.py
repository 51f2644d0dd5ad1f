"""How a model is kept in a keyed state: a snapshot, and the batches that were learnt since.

Writing a whole model for each batch costs seconds for a large table. A batch is small, and
learning is deterministic: the same batches again on the snapshot give the same model.
"""

from dataclasses import dataclass

MAX_BATCHES = 60
MIN_LOG_BYTES = 1 << 20


@dataclass(slots=True)
class StateLog:
    """Sizes of what is in the state; decides when a new snapshot is due.

    With a log of up to a snapshot's size the state is written about twice for each byte that is
    learnt, and a restore learns no more than MAX_BATCHES again.
    """

    snapshot_bytes: int
    log_bytes: int = 0
    batches: int = 0

    def add(self, batch_bytes: int) -> bool:
        """A batch was learnt: True if a snapshot is due instead of one more batch in the log."""
        self.log_bytes += batch_bytes
        self.batches += 1
        return self.batches > MAX_BATCHES or self.log_bytes > max(
            self.snapshot_bytes, MIN_LOG_BYTES
        )
