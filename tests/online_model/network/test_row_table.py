"""The sparse step: rows move as an obvious row-by-row version moves them, and no others."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from online_model.network.batch import Batch
from online_model.network.model import Model
from online_model.network.row_table import RowTable, SampleGradients
from online_model.settings import OnlineModelSettings
from tests.online_model.small_log import random_model, samples

Floats = NDArray[np.float64]


@dataclass
class PlainTable:
    """What :class:`RowTable` does, one use of a row after the other, in float64."""

    values: Floats
    curvature: Floats
    settings: OnlineModelSettings

    def step(self, model: Model, batch: Batch, gradients: SampleGradients, share: float) -> None:
        at = model.table.sequence_field
        fields = gradients.fields.double().numpy()
        slope, seen = np.zeros_like(self.values), np.zeros_like(self.curvature)
        for sample in range(len(batch)):
            ids = batch.ids[sample].tolist()
            if at is not None:
                ids.insert(at, None)
            scale = float(gradients.curvature[sample]) / float(gradients.residual[sample]) ** 2
            clicked = [row for row in batch.sequence[sample].tolist() if row >= 0]
            for field, row in enumerate(ids):
                used = [row] if row is not None else clicked
                for one in used:
                    part = fields[sample, field] / len(used)
                    slope[one] += part
                    seen[one] += [scale * part[0] ** 2, scale * np.mean(part[1:] ** 2)]
        self._move(slope, seen, share, fields.shape[1])

    def _move(self, slope: Floats, seen: Floats, share: float, fields: int) -> None:
        chosen = self.settings
        self.curvature[:] = np.minimum(self.curvature + seen, chosen.memory)
        for row in range(len(self.values)):
            first = chosen.first_order_prior * fields + self.curvature[row, 0]
            embedding = chosen.embedding_prior * fields**2 + self.curvature[row, 1]
            step = share * slope[row] / np.array([first, *[embedding] * (len(slope[row]) - 1)])
            length = np.linalg.norm(step[1:])
            if length > chosen.embedding_step_limit:
                step[1:] *= chosen.embedding_step_limit / length
            self.values[row] -= step


def gradients_of(model: Model, batch: Batch, seed: int) -> SampleGradients:
    generator = torch.Generator().manual_seed(seed)
    fields = torch.randn(len(batch), model.shape.fields, 1 + model.shape.dim, generator=generator)
    residual = torch.rand(len(batch), generator=generator) + 0.1
    return SampleGradients(fields, residual, torch.rand(len(batch), generator=generator))


@pytest.mark.parametrize(
    ("memory", "limit"), [(1e6, 1e6), (1e6, 0.02), (0.05, 0.1)], ids=["free", "short", "forgets"]
)
def test_steps_are_the_plain_ones(memory: float, limit: float) -> None:
    settings = OnlineModelSettings(memory=memory, embedding_step_limit=limit)
    model = random_model()
    table = model.table
    plain = PlainTable(table.values.double().numpy(), table.curvature.double().numpy(), settings)
    for number in range(4):
        batch = model.batcher.batch(samples(30, seed=number))
        gradients = gradients_of(model, batch, seed=number)
        by_row = table.by_row(batch, gradients)
        table.step(by_row, 0.7, settings)
        plain.step(model, batch, gradients, 0.7)
        used = {*batch.ids.flatten().tolist(), *batch.sequence.flatten().tolist()} - {-1}
        assert sorted(by_row.rows.tolist()) == sorted(used)
    np.testing.assert_allclose(table.values, plain.values, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(table.curvature, plain.curvature, rtol=1e-3, atol=1e-6)
    assert plain.curvature.max() <= memory


def test_rows_that_a_batch_does_not_read_stay() -> None:
    model = random_model()
    before = model.table.values.clone()
    batch = model.batcher.batch(samples(3))
    by_row = model.table.by_row(batch, gradients_of(model, batch, 0))
    model.table.step(by_row, 0.7, OnlineModelSettings())
    rows = sorted(by_row.rows.tolist())
    moved = (model.table.values != before).any(dim=1).nonzero().flatten()
    assert moved.tolist() == rows
    assert 0 < len(rows) < len(before)
    assert model.table.curvature.any(dim=1).nonzero().flatten().tolist() == rows


def test_a_table_without_a_sequence_reads_single_rows_only() -> None:
    values = torch.arange(12.0).view(6, 2)
    table = RowTable.of(values, sequence_field=None)
    batch = Batch(torch.tensor([[4, 1]]), torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 0))
    assert table.fields(batch).tolist() == [[[8.0, 9.0], [2.0, 3.0]]]
    ones = SampleGradients(torch.ones(1, 2, 2), torch.ones(1), torch.ones(1))
    assert table.by_row(batch, ones).rows.tolist() == [4, 1]


def test_no_clicks_pool_to_nothing() -> None:
    model = random_model()
    given = samples(40)
    given["sequence"] = -1
    pooled = model.table.fields(model.batcher.batch(given))[:, 2]
    assert not pooled.any()
