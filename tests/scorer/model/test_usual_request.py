"""The request in the middle of all, by many requests that are as likely as any."""

import numpy as np
import pytest

from schemas.redis_values import UserRow
from scorer.model.package_reader import read_deepfm
from scorer.model.usual_request import usual_first_layer
from tests.scorer.tiny_model import ENCODER, LAYOUT, TinyModel

REQUESTS = 5_000


def test_it_is_the_mean_of_requests_at_the_position_that_is_served() -> None:
    random = np.random.default_rng(1)
    arrays = TinyModel("v1", seed=1).arrays
    nobody = ENCODER.request(UserRow(""), {})
    parts = np.repeat(nobody, REQUESTS)
    for column, feature in enumerate(LAYOUT.request_categoricals):
        if column != LAYOUT.position_column:
            rows = random.integers(0, feature.buckets, REQUESTS)
            parts["request_ids"][:, column] = LAYOUT.offsets[feature.name] + rows
    clicked = random.integers(0, LAYOUT.ad_categoricals[0].buckets, parts["sequence"].shape)
    parts["sequence"] = LAYOUT.offsets["ad"] + clicked
    parts["request_numbers"] = arrays.mean[: LAYOUT.request_number_count]
    model = read_deepfm(TinyModel("v1", seed=1).package, ENCODER)
    firsts = np.array([model.request_half(parts[i : i + 1]).hidden for i in range(REQUESTS)])
    usual = usual_first_layer(LAYOUT, arrays, nobody)
    assert usual == pytest.approx(firsts.mean(axis=0), abs=0.03)
    far = np.linalg.norm(firsts - model.request_half(nobody).hidden, axis=1).mean()
    assert np.linalg.norm(firsts - usual, axis=1).mean() < 0.9 * far
