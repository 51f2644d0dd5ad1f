"""Requests that are made up: as different as any, and such as can be served."""

import numpy as np

from schemas.redis_values import UserRow
from scorer.model.recent_requests import MADE_UP, made_up
from tests.scorer.tiny_model import ENCODER, LAYOUT


def test_made_up_requests_have_values_of_all_kinds_at_the_position_that_is_served() -> None:
    parts = np.concatenate(made_up(ENCODER))
    nobody = ENCODER.request(UserRow(""), {})
    assert len(parts) == MADE_UP
    for column, feature in enumerate(LAYOUT.request_categoricals):
        rows = parts["request_ids"][:, column] - LAYOUT.offsets[feature.name]
        if column == LAYOUT.position_column:
            assert (parts["request_ids"][:, column] == nobody["request_ids"][0, column]).all()
        else:
            assert 0 <= rows.min() < rows.max() < feature.buckets
    ad = LAYOUT.ad_categoricals[0]
    clicks = parts["sequence"]
    assert set((clicks >= 0).sum(axis=1)) == set(range(clicks.shape[1] + 1))
    clicked = clicks[clicks >= 0] - LAYOUT.offsets[ad.name]
    assert 0 <= clicked.min() < clicked.max() < ad.buckets
