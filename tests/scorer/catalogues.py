"""A catalogue for a test, and changes put into it as the feeder does."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.records import Ad
from schemas.redis_values import versioned
from schemas.row_changes import RowChange
from scorer.ads.ad_arrays import AdArrays
from scorer.ads.catalogue import Catalogue
from scorer.ads.staging import Staged
from scorer.memory.memory_folder import Memory
from tests.scorer.tiny_model import ENCODER


def apply(catalogue: Catalogue, staged: Staged) -> None:
    """As the feeder does, without a model."""
    for piece in staged.update.slices():
        catalogue.commit(piece)
    catalogue.remove(staged.removed)


@contextmanager
def new_catalogue(clock: Callable[[], float] = time.monotonic) -> Iterator[Catalogue]:
    """With room for 4,096 ads."""
    memory = Memory.create(Path(tempfile.gettempdir()))
    arrays = AdArrays.create(memory.ads, ENCODER.layout, 4_096)
    yield Catalogue(ENCODER, arrays, memory.folder, 3, clock)
    memory.remove()


def change_of(ad: Ad) -> RowChange:
    return RowChange(ad.ad_id, versioned(ad.ts, ad.encode()))
