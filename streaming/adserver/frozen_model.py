"""The model as it is served when the play begins, and as it would be had it never learnt since."""

import redis

from online_model.training.package_scorer import PackageScorer
from schemas import model_package, redis_keys
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.settings import SharedSettings
from stores.redis_client import connect
from streaming.adserver.validation import Floats, FrozenModel


class NoModel(RuntimeError):
    """No model was published; the message says how to get one."""


def frozen_model(shared: SharedSettings) -> FrozenModel:
    """From the current package in Redis. Raises NoModel, or PackageError about the package."""
    spec = FeatureSpec.load(shared.features)
    with connect(shared.redis) as client:
        try:
            version = client.get(redis_keys.model_current(shared.model))
            if version is None:
                raise NoModel(
                    f"Redis has no current version of model {shared.model}: "
                    "`python -m bootstrap train` publishes one"
                )
            package = model_package.fetch(shared.model, version.decode(), client.mget)
        except redis.ConnectionError as error:
            raise NoModel(
                f"no Redis answers ({error}): start one with `make up`, or set CTR_REDIS_URL"
            ) from None
    package.require_fingerprint(spec.fingerprint)
    scorer = PackageScorer(package, spec)
    layout = Layout.of(spec)

    def probabilities(inputs: bytes) -> Floats:
        return scorer.probabilities(layout.unpack(inputs))

    return probabilities
