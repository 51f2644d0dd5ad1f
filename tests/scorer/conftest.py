"""A scorer with a small model and a few ads."""

from collections.abc import Iterator

import pytest
import redis

from scorer.kernels import Kernels, native
from scorer.kernels.library import FOLDER
from scorer.kernels.plain import PlainKernels
from tests.scorer.publisher import ADS, Publisher, ad
from tests.scorer.running_scorer import RunningScorer
from tests.scorer.tiny_model import TinyModel


@pytest.fixture
def publisher(redis_url: str) -> Iterator[Publisher]:
    """Writes to the test's Redis as the jobs do."""
    with redis.Redis.from_url(redis_url) as client:
        yield Publisher(client)


@pytest.fixture
def model() -> TinyModel:
    """The first model."""
    return TinyModel("v1", seed=1)


@pytest.fixture
def scorer(redis_url: str, publisher: Publisher, model: TinyModel) -> Iterator[RunningScorer]:
    """A scorer that serves ``model`` over 40 ads."""
    publisher.package(model.package)
    publisher.ads(*(ad(number) for number in range(ADS)))
    with RunningScorer(redis_url) as running:
        running.wait_for_model(model.version)
        yield running


@pytest.fixture(params=[*native.BUILDS, "numpy"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Each build that this processor runs, and numpy."""
    if request.param == "numpy":
        return PlainKernels()
    needed, built = native.BUILDS[request.param], FOLDER / f"{request.param}.so"
    if not (needed <= native.processor_flags() and built.exists()):
        pytest.skip(f"{request.param} was not built, or this processor does not run it")
    return native.NativeKernels(request.param)
