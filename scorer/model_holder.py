"""The model that is served: one reference, changed at once; requests keep the one they took."""

from dataclasses import dataclass, field

from schemas.model_package import Manifest
from scorer.deepfm import DeepFm
from scorer.half_store import HalfStore
from scorer.popularity import PopularAds
from scorer.questions import NoModelError
from scorer.retrieval_index import RetrievalIndex


@dataclass(frozen=True, slots=True)
class DeltaPosition:
    """How far a stream of row deltas was followed; ``epoch`` is empty if it had no entry yet."""

    entry_id: str
    epoch: str
    sequence: int


@dataclass(slots=True)
class ServedModel:
    """A model version with its ad halves. ``index`` and ``popular`` are replaced, never changed.

    ``mean_tower`` is the tower's mean logit, the best guess of it where there is no time for it.
    ``built_revision`` is the catalogue's revision that the halves were built from; ``position``
    is the feeder's.
    """

    manifest: Manifest
    model: DeepFm
    store: HalfStore
    index: RetrievalIndex
    popular: PopularAds
    mean_tower: float
    built_revision: int
    position: DeltaPosition
    learnt_clicks: list[int] = field(default_factory=list)


class ModelHolder:
    """Holds the served model. Reading and replacing a reference are atomic."""

    def __init__(self) -> None:
        self.current: ServedModel | None = None

    def require(self) -> ServedModel:
        """The served model. Raises NoModelError before the first one."""
        served = self.current
        if served is None:
            raise NoModelError(
                "no model is loaded yet: publish one, e.g. with python -m bootstrap train"
            )
        return served
