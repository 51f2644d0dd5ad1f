"""Progressive validation offline: what the live loop would have served, in seconds.

Each row is predicted by the model as it was then; its label reaches the learner only when the
stream would have known it, later still by the lag of processing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.learning.learner import OnlineLearner
from online_model.studies.delayed_stream import DelayedStream

ROWS_AT_A_TIME = 100


def validate_progressively(
    learner: OnlineLearner,
    samples: NDArray[np.void],
    positions: NDArray[np.integer[Any]],
    ts_ms: NDArray[np.int64],
    stream: DelayedStream,
    lag_rows: int,
    progress: Callable[[int], None] = lambda rows: None,
    first: int = 0,
) -> NDArray[np.float64]:
    """Served probabilities [n − first] of samples [first, n), in time order; the learner has then
    learnt.

    What ``stream`` brings before the time of row i is learnt before row i + ``lag_rows``.
    """
    served = np.empty(len(samples))
    done = 0
    for start in range(first, len(samples), ROWS_AT_A_TIME):
        end = min(start + ROWS_AT_A_TIME, len(samples))
        if start >= lag_rows:
            due = int(np.searchsorted(stream.due_ms, ts_ms[start - lag_rows], side="left"))
            rows, kind, label = stream.row[done:due], stream.kind[done:due], stream.label[done:due]
            ones = np.ones(len(rows), np.float32)
            learner.learn(samples[rows], label, kind, ones, positions[rows])
            done = due
        served[start:end] = learner.predict(samples[start:end])
        progress(end - start)
    return served[first:]
