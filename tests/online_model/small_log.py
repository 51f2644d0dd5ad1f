"""Samples of a small declaration with labels of a known truth, and models of random weights."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from online_model.history import History
from online_model.network.model import Architecture, Model
from online_model.settings import OnlineModelSettings
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.layout import Layout

SPEC = FeatureSpec.load(str(Path(__file__).with_name("small.yaml")))
LAYOUT = Layout.of(SPEC)
SETTINGS = OnlineModelSettings(towers=2, hidden=(8, 4), batch_size=50, calibration_bin_rows=100)


def samples(count: int, seed: int = 0) -> NDArray[np.void]:
    """Encoded samples [count], drawn evenly; a user's last clicks are 0 to 4 ads."""
    random = np.random.default_rng(seed)
    drawn = np.zeros(count, LAYOUT.dtype)

    def rows(name: str) -> NDArray[np.int64]:
        buckets = next(f.buckets for f in _CATEGORICAL if f.name == name)
        return LAYOUT.offsets[name] + random.integers(1, buckets, count)

    drawn["request_ids"] = np.stack([rows("segment"), rows("position")], axis=1)
    drawn["ad_ids"] = np.stack([rows("ad"), rows("category")], axis=1)
    drawn["request_numbers"] = random.integers(0, 24, (count, 1))
    drawn["ad_numbers"] = random.normal(3.0, 2.0, (count, 3))
    clicked = LAYOUT.offsets["ad"] + random.integers(1, 48, (count, 4))
    lengths = random.integers(0, 5, (count, 1))
    drawn["sequence"] = np.where(np.arange(4) < lengths, clicked, -1)
    return Encoder(SPEC).with_positions(drawn, np.ones(count, np.int64))


def true_probabilities(of: NDArray[np.void]) -> NDArray[np.float64]:
    """A liking of each segment for each category, and the quality of each ad."""
    random = np.random.default_rng(99)
    liking = random.normal(size=(12, 2)) @ random.normal(size=(2, 10))
    quality = 0.7 * random.normal(size=48)
    segment = of["request_ids"][:, 0] - LAYOUT.offsets["segment"]
    ad = of["ad_ids"][:, 0] - LAYOUT.offsets["ad"]
    category = of["ad_ids"][:, 1] - LAYOUT.offsets["category"]
    logits = -1.5 + liking[segment, category] + quality[ad]
    probabilities: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
    return probabilities


def clicks(of: NDArray[np.void], seed: int = 1) -> NDArray[np.float32]:
    """Labels [n] drawn from the truth."""
    drawn = np.random.default_rng(seed).random(len(of)) < true_probabilities(of)
    return drawn.astype(np.float32)


def history(count: int, seed: int = 0) -> History:
    """Samples, their labels and weights of one."""
    drawn = samples(count, seed)
    return History(drawn, clicks(drawn, seed + 1), np.ones(count, np.float32))


def random_model(architecture: Architecture = "deepfm", seed: int = 0) -> Model:
    """Every weight is random, so that nothing is hidden by a zero."""
    model = Model.new(SPEC, architecture, samples(200), 0.2, SETTINGS)
    generator = torch.Generator().manual_seed(seed)
    for tensor in (model.table.values, *model.network.parameters()):
        tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
    return model


_CATEGORICAL = (*LAYOUT.request_categoricals, *LAYOUT.ad_categoricals)
