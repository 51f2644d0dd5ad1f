"""The mean of weights over steps: what adding up all of them after each step gives."""

import numpy as np
import torch

from online_model.network.weight_average import WeightAverage
from tests.online_model.small_log import random_model


def test_it_is_the_mean_over_all_steps() -> None:
    model, generator = random_model(), np.random.default_rng(0)
    values, average = model.table.values.numpy(), WeightAverage(model)
    rows_of_steps, dense = [], []
    for step in range(7):
        rows = np.unique(generator.integers(0, len(values) // 2, 5)) + 3 * (step == 6)
        average.before_step(rows)
        values[rows] += generator.normal(size=(len(rows), values.shape[1])).astype(np.float32)
        for weights in model.network.parameters():
            weights.add_(1.0)
        average.after_step()
        rows_of_steps.append(values.copy())
        dense.append({name: p.copy() for name, p in model.dense_parameters().items()})
    average.put()
    np.testing.assert_allclose(values, np.mean(rows_of_steps, axis=0), rtol=1e-5, atol=1e-6)
    for name, mean in model.dense_parameters().items():
        expected = np.mean([step[name] for step in dense], axis=0)
        np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)


def test_without_a_step_nothing_changes() -> None:
    model = random_model()
    before = model.table.values.clone()
    WeightAverage(model).put()
    assert torch.equal(model.table.values, before)
