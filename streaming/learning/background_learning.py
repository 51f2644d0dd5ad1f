"""Learns a batch in a thread while Flink gathers the next and writes it to the state."""

from concurrent.futures import Future, ThreadPoolExecutor

from streaming.learning.continual_learning import ContinualLearning
from streaming.learning.model_state import ModelState
from streaming.learning.sample_batch import SampleBatch


class BackgroundLearning:
    """One batch at a time, in order. A batch is in ``state`` before it is learnt: a checkpoint that
    comes meanwhile has it, and a restore learns it again."""

    def __init__(self, learning: ContinualLearning, state: ModelState) -> None:
        self._learning = learning
        self._state = state
        self._thread = ThreadPoolExecutor(1, "learning")
        self._learnt: Future[None] | None = None

    def process(self, batch: SampleBatch) -> None:
        """Wait for the batch before, then begin with this one.

        Raises what learning the batch before raised: then this object is of no more use.
        """
        is_noted = batch.is_empty or self._state.note(batch)
        self.wait()
        is_adopted = self._learning.adopt_current()
        if is_adopted or not is_noted:
            self._state.save(self._learning.model)
            if not batch.is_empty:
                self._state.note(batch)
        if is_adopted or not batch.is_empty:
            self._learnt = self._thread.submit(self._learning.learn, batch)

    def wait(self) -> None:
        """Until what was begun is learnt. Raises what that raised."""
        learnt, self._learnt = self._learnt, None
        if learnt is not None:
            learnt.result()

    def close(self) -> None:
        """Until all is learnt and published. Raises what that raised."""
        try:
            self.wait()
            self._learning.close()
        finally:
            self._thread.shutdown()
