"""A few of the last requests, encoded: a model that comes is warmed up by what it will be asked."""

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.redis_values import UserRow
from scorer.ads.ad_arrays import AdArrays
from scorer.memory.background import Pace
from scorer.model.finalists import SERVED_ADS, finalists
from scorer.model.half_store import query
from scorer.model.model_holder import ServedModel
from scorer.questions import Asker, RankQuestion

#: So many are kept, and one is taken in each pause.
KEPT = 64
#: As long as there was none, so many are made up.
MADE_UP = 64
PAUSE_SECONDS = 0.1
#: What most requests ask for.
_QUESTION = RankQuestion(Asker("", "", {}), SERVED_ADS)


class RecentRequests:
    """Thread-safe: appending to a bounded deque is atomic."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._next = 0.0
        self._parts: deque[NDArray[np.void]] = deque(maxlen=KEPT)

    def offer(self, part: NDArray[np.void]) -> None:
        """A request's encoded part (1,), which nobody changes any more."""
        now = self._clock()
        if now >= self._next:
            self._next = now + PAUSE_SECONDS
            self._parts.append(part)

    def parts(self, encoder: Encoder) -> Sequence[NDArray[Any]]:
        """Newest last; made up as long as there was none."""
        return list(self._parts) if self._parts else made_up(encoder)


def made_up(encoder: Encoder) -> Sequence[NDArray[Any]]:
    """Requests as different as any: with values and clicked ads that are drawn from all.

    Those of users of whom nothing is known would be too much alike to say how many candidates
    others need.
    """
    layout, random = encoder.layout, np.random.default_rng(0)
    parts = np.repeat(encoder.request(UserRow(""), {}), MADE_UP)
    for column, feature in enumerate(layout.request_categoricals):
        if column != layout.position_column:
            drawn = random.integers(0, feature.buckets, MADE_UP)
            parts["request_ids"][:, column] = layout.offsets[feature.name] + drawn
    clicks = parts["sequence"]
    for feature in layout.ad_categoricals:
        if layout.sequence is not None and feature.name == layout.sequence.of:
            rows = layout.offsets[feature.name] + random.integers(0, feature.buckets, clicks.shape)
            clicked = random.integers(0, clicks.shape[1], (MADE_UP, 1), endpoint=True)
            clicks[:] = np.where(np.arange(clicks.shape[1]) < clicked, rows, -1)
    return [parts[number : number + 1] for number in range(MADE_UP)]


def warm_up(
    served: ServedModel,
    arrays: AdArrays,
    parts: Sequence[NDArray[np.void]],
    candidates: int,
    pace: Pace,
) -> None:
    """Answer requests with a model that is not served yet, so that the first real ones find memory
    mapped and caches filled; one at a time, and in pieces: who answers meanwhile waits for one."""
    for part in parts:
        half = served.model.request_half(part)
        slots = served.index.search(query(half, False), candidates)[0]
        pace.piece_is_done()
        if not len(slots):
            continue
        chosen = finalists(served, arrays, half, slots, _QUESTION, True)
        pace.piece_is_done()
        served.model.ctrs(half, arrays.read(chosen).parts)
        pace.piece_is_done()
