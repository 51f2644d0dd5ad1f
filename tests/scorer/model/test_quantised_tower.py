"""The tower in 8 bits as the loader tests it: on a part of all ads, against the exact tower."""

import ctypes

import numpy as np
import pytest

from schemas.model_package import TOWER_FILE
from schemas.redis_values import UserRow
from scorer.kernels import best_kernels
from scorer.kernels.arguments import WIDEST_LAYER
from scorer.kernels.library import FOLDER, load
from scorer.model.half_store import HalfStore
from scorer.model.package_reader import read_deepfm
from scorer.model.quantised_tower import QuantisedTower, overlap, units_of
from scorer.model.tower_layers import layers_of
from tests.scorer.tiny_model import ENCODER, SPEC, TinyModel

ADS = 300


def test_every_third_ad_scores_as_by_the_exact_tower() -> None:
    model = TinyModel("v1", seed=1)
    exact = read_deepfm(model.package, ENCODER, model.arrays.table)
    parts = np.concatenate([ENCODER.ad(f"ad-{i}", {"size": str(i)}) for i in range(ADS)])
    ads = exact.ad_halves(parts)
    half = exact.request_half(ENCODER.request(UserRow("u-1"), {}))
    layers = layers_of(model.package.files[TOWER_FILE])
    assert layers is not None
    shape = HalfStore.layout(ADS, SPEC.embedding_dim, 1, model.hidden)
    store = HalfStore({name: np.zeros(size, kind) for name, (kind, size) in shape.items()}, 1)
    every = np.arange(ADS, dtype=np.int32)
    store.write(every, ads, exact.usual_tower(ads), np.ones(ADS, np.int64))
    seen = ads.hidden + half.hidden
    tower = QuantisedTower.of(layers, units_of(layers, seen), best_kernels())
    assert tower is not None
    logits = exact.tower.logits(seen)
    third = every[::3]
    assert overlap(logits[::3], tower.logits(store, third, half), 10, 20) == 1.0


def test_the_widest_layer_is_what_was_compiled() -> None:
    if not (FOLDER / "portable.so").exists():
        pytest.skip("not built: no gcc")
    compiled = ctypes.c_int32.in_dll(load("portable"), "widest_layer")
    assert compiled.value == WIDEST_LAYER
