"""Packages: what is damaged, missing or made for other features is refused."""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import pytest

from schemas import model_package, redis_keys
from schemas.calibration import Calibration
from schemas.model_arrays import ModelArrays
from schemas.model_package import Manifest, ModelPackage, PackageError


def package(files: dict[str, bytes]) -> ModelPackage:
    manifest = Manifest(
        model="m",
        version="v1",
        created_ms=1,
        feature_fingerprint="f",
        files=model_package.file_entries(files),
    )
    return ModelPackage.checked(manifest, files)


class Store(dict[str, bytes]):
    """What MGET does, on a dict."""

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.get(key) for key in keys]


def test_a_package_is_read_as_it_was_written() -> None:
    files = {"large": bytes(model_package.CHUNK_BYTES + 5), "small": b"x", "empty": b""}
    store = Store(package(files).writes())
    assert model_package.fetch("m", "v1", store.mget).files == files
    assert next(reversed(store)) == redis_keys.model_manifest("m", "v1")


def test_a_manifest_that_tells_no_size_of_chunks_has_those_of_4_mb() -> None:
    data = bytes(range(256)) * (17 << 10)
    written = package({"a": data}).manifest
    former = json.loads(written.model_dump_json())
    del former["files"]["a"]["chunk_bytes"]
    store = Store({redis_keys.model_manifest("m", "v1"): json.dumps(former).encode()})
    for index in range(2):
        key = redis_keys.model_chunk("m", "v1", "a", index)
        store[key] = data[index * (4 << 20) : (index + 1) * (4 << 20)]
    assert model_package.fetch("m", "v1", store.mget).files == {"a": data}


def test_damage_is_named() -> None:
    store = Store(package({"a": b"abc", "b": b"x"}).writes())
    with pytest.raises(PackageError, match="no manifest"):
        model_package.fetch("m", "v2", store.mget)
    key = redis_keys.model_chunk("m", "v1", "a", 0)
    for broken in (b"abd", b"ab"):
        with pytest.raises(PackageError, match="a is damaged"):
            model_package.fetch("m", "v1", Store({**store, key: broken}).mget)
    del store[key]
    with pytest.raises(PackageError, match="missing"):
        model_package.fetch("m", "v1", store.mget)
    manifest = redis_keys.model_manifest("m", "v1")
    endless = store[manifest].replace(b'"size_bytes":3,', b'"size_bytes":3000000000000000,')
    assert endless != store[manifest]
    with pytest.raises(PackageError, match="missing"):
        model_package.fetch("m", "v1", Store({**store, manifest: endless}).mget)
    with pytest.raises(PackageError, match="manifest"):
        model_package.fetch("m", "v1", Store({manifest: b"{}"}).mget)
    other = Store(
        {redis_keys.model_manifest("m", "v2"): package({}).manifest.model_dump_json().encode()}
    )
    with pytest.raises(PackageError, match="that of v1 of m"):
        model_package.fetch("m", "v2", other.mget)


def test_other_features_are_refused_by_name() -> None:
    with pytest.raises(PackageError, match="made for features f, this process has g"):
        package({}).require_fingerprint("g")


def arrays() -> ModelArrays:
    ones = np.ones
    return ModelArrays(
        ones((10, 3), np.float32), ones((2 * 2 + 1, 4), np.float32), ones(4, np.float32),
        ones(1, np.float32), 0.5, ones(1, np.float32), ones(1, np.float32),
    )  # fmt: skip


def test_arrays_survive_and_shapes_are_checked() -> None:
    files = arrays().to_files()
    read = ModelArrays.from_files(files, rows=10, fields=2)
    assert np.array_equal(read.w1, arrays().w1)
    assert read.bias == 0.5
    with pytest.raises(PackageError, match="table has shape"):
        ModelArrays.from_files(files, rows=11, fields=2)
    with pytest.raises(PackageError, match="w1 has shape"):
        ModelArrays.from_files(files, rows=10, fields=3)
    with pytest.raises(PackageError, match="model arrays"):
        ModelArrays.from_files({**files, "dense.npz": b"junk"}, rows=10, fields=2)


@pytest.mark.parametrize("name", ["table", "w1", "b1", "number_weights", "bias", "mean", "std"])
def test_what_is_not_finite_is_refused_by_name(name: str) -> None:
    broken = arrays()
    if name == "bias":
        broken = dataclasses.replace(broken, bias=float("inf"))
    else:
        getattr(broken, name)[-1] = np.nan
    with pytest.raises(PackageError, match=f"{name} has a number that is not finite"):
        ModelArrays.from_files(broken.to_files(), rows=10, fields=2)
    with pytest.raises(ValueError, match="finite"):
        Calibration(method="platt", logits=(0.0, 1.0), outputs=(0.0, float("nan")))


def test_calibration_keeps_the_order_and_does_not_saturate() -> None:
    calibration = Calibration(method="isotonic", logits=(-2, 0, 1), outputs=(-3, -1, -1))
    scores = np.linspace(-8, 8, 101)
    probabilities = calibration.probabilities(scores)
    assert np.all(np.diff(probabilities) >= 0)
    assert probabilities[0] < probabilities[10]
    assert np.allclose(Calibration().probabilities(scores), 1 / (1 + np.exp(-scores)))
    shifted = calibration.shifted(-0.7).probabilities(scores)
    before = calibration.probabilities(scores)
    assert np.allclose(shifted / (1 - shifted), np.exp(-0.7) * before / (1 - before))
    with pytest.raises(ValueError, match="increase"):
        Calibration(logits=(1, 0), outputs=(0, 0))
