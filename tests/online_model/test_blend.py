"""A blend scores as the weighted sum of its two models, and no more than that is changed."""

import numpy as np
import pytest

from online_model.blend import blend
from online_model.model import Model
from tests.online_model.small_log import SETTINGS, SPEC, random_model, samples


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_blend_scores_as_the_weighted_sum(share: float) -> None:
    model, given = random_model(), samples(50)
    plain = SPEC.model_copy(update={"crosses": ()})
    regression = Model.new(plain, "lr", samples(200), 0.2, SETTINGS)
    generator = np.random.default_rng(0)
    regression.table.values.numpy()[:] = generator.normal(size=regression.table.values.shape)
    expected = (1.0 - share) * model.logits(given) + share * regression.logits(given)
    blend(model, regression, share)
    np.testing.assert_allclose(model.logits(given), expected, rtol=1e-4, atol=1e-4)
