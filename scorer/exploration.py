"""ε-greedy exploration of the last slot, with exact propensities.

With probability ε an ad drawn evenly from all eligible ones takes the last slot, unless it is
in a slot above already. The draws follow from the request id, so that they replay.
"""

from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

_TRIES = 64


@dataclass(frozen=True, slots=True)
class Slate:
    """Places of the chosen candidates [k], best first, with propensities [k].

    ``explored`` says whether the last one was drawn rather than ranked.
    """

    places: NDArray[np.int64]
    propensities: NDArray[np.float64]
    explored: bool


def explores(request_id: str, epsilon: float) -> bool:
    """Whether this request draws an ad for its last slot."""
    return _uniform(request_id, "explore") < epsilon


def draw(request_id: str, mask: NDArray[np.bool_]) -> int | None:
    """A slot drawn evenly from those in ``mask``, None if there is none."""
    for attempt in range(_TRIES if len(mask) else 0):
        slot = int(_uniform(request_id, f"ad-{attempt}") * len(mask))
        if mask[slot]:
            return slot
    eligible = np.flatnonzero(mask)
    if not len(eligible):
        return None
    return int(eligible[int(_uniform(request_id, "ad") * len(eligible))])


def slate(
    order: NDArray[np.int64], limit: int, drawn: int | None, eligible: int, epsilon: float
) -> Slate:
    """The first ``limit`` of candidates in ``order``; ``drawn`` is the place of the drawn one.

    Of E eligible ads and k slots, each ad outside the first k has ε/E of being last; the greedy
    last one has the rest, 1 − ε(E − k)/E; the slots above never change.
    """
    places = order[:limit].copy()
    count = len(places)
    propensities = np.ones(count)
    if count == 0 or eligible <= count:
        return Slate(places, propensities, False)
    explored = drawn is not None and drawn not in places
    if explored and drawn is not None:
        places[-1] = drawn
        propensities[-1] = epsilon / eligible
    else:
        propensities[-1] = 1.0 - epsilon * (eligible - count) / eligible
    return Slate(places, propensities, explored)


def _uniform(request_id: str, purpose: str) -> float:
    digest: int = xxhash.xxh3_64_intdigest(f"{purpose}\x1f{request_id}".encode())
    return (digest >> 11) / (1 << 53)
