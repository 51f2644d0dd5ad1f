"""A small random DeepFM as a package, and its score computed the plain way from a token."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from schemas.calibration import Calibration
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_arrays import ModelArrays
from schemas.model_package import CALIBRATION_FILE, TOWER_FILE, Manifest, ModelPackage, file_entries

SPEC_FILE = Path(__file__).with_name("tiny.yaml")
SPEC = FeatureSpec.load(str(SPEC_FILE))
ENCODER = Encoder(SPEC)
LAYOUT = ENCODER.layout
CALIBRATION = Calibration(method="platt", logits=(-3.0, 0.0, 3.0), outputs=(-4.0, -1.0, 1.5))


@dataclass(frozen=True)
class TinyModel:
    """All weights of one version, by a seed; widths are those of the tower's two layers."""

    version: str
    seed: int
    spec: FeatureSpec = SPEC
    hidden: int = 16
    second: int = 8
    fingerprint: str = ""

    @cached_property
    def layout(self) -> Layout:
        return Layout.of(self.spec)

    @cached_property
    def arrays(self) -> ModelArrays:
        random = np.random.default_rng(self.seed)
        numbers = len(self.layout.number_names)
        inputs = self.layout.fields * self.spec.embedding_dim + numbers

        def normal(*shape: int) -> NDArray[np.float32]:
            return (0.3 * random.standard_normal(shape)).astype(np.float32)

        return ModelArrays(
            table=normal(self.layout.rows, 1 + self.spec.embedding_dim),
            w1=normal(inputs, self.hidden),
            b1=normal(self.hidden),
            number_weights=normal(numbers),
            bias=-0.5,
            mean=normal(numbers),
            std=np.abs(normal(numbers)) + np.float32(1),
        )

    @cached_property
    def tower_weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        random = np.random.default_rng(self.seed + 1)
        second = 0.4 * random.standard_normal((self.hidden, self.second))
        last = 0.4 * random.standard_normal((self.second, 1))
        return second.astype(np.float32), last.astype(np.float32)

    @cached_property
    def package(self) -> ModelPackage:
        files = {
            **self.arrays.to_files(),
            TOWER_FILE: tower_onnx(*self.tower_weights),
            CALIBRATION_FILE: CALIBRATION.model_dump_json().encode(),
        }
        manifest = Manifest(
            model="deepfm",
            version=self.version,
            created_ms=1_700_000_000_000,
            feature_fingerprint=self.fingerprint or self.spec.fingerprint,
            files=file_entries(files),
        )
        return ModelPackage(manifest, files)

    def ctr(
        self, inputs: bytes, changed_rows: dict[int, NDArray[np.float32]] | None = None
    ) -> float:
        """The calibrated probability of one sample, field by field, from its encoded inputs."""
        return float(CALIBRATION.probabilities(np.array([self.logit(inputs, changed_rows)]))[0])

    def logit(
        self,
        inputs: bytes,
        changed_rows: dict[int, NDArray[np.float32]] | None = None,
        tower: bool = True,
    ) -> float:
        """The logit that is calibrated; without ``tower`` its first-order and FM part."""
        sample: Any = self.layout.unpack(inputs)[0]
        weights = self.arrays
        table = weights.table.astype(np.float64)
        for row, values in (changed_rows or {}).items():
            table[row] = values
        clicked = [row for row in sample["sequence"] if row >= 0]
        pooled = table[clicked].mean(axis=0) if clicked else np.zeros(1 + self.spec.embedding_dim)
        fields = [*table[sample["request_ids"]], pooled, *table[sample["ad_ids"]]]
        numbers = np.concatenate((sample["request_numbers"], sample["ad_numbers"]))
        standardised = (numbers.astype(np.float64) - weights.mean) / weights.std
        logit = weights.bias + standardised @ weights.number_weights
        logit += sum(field[0] for field in fields)
        for i, left in enumerate(fields):
            for right in fields[i + 1 :]:
                logit += left[1:] @ right[1:]
        dense = np.concatenate([*(field[1:] for field in fields), standardised])
        if not tower:
            return float(logit)
        second, last = self.tower_weights
        hidden = np.maximum(dense @ weights.w1 + weights.b1, 0) @ second
        return float(logit + (np.maximum(hidden, 0) @ last)[0])


def tower_onnx(second: NDArray[np.float32], last: NDArray[np.float32]) -> bytes:
    """relu -> dense -> relu -> dense -> [n]."""
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["hidden"], ["a"]),
            helper.make_node("MatMul", ["a", "second"], ["b"]),
            helper.make_node("Relu", ["b"], ["c"]),
            helper.make_node("MatMul", ["c", "last"], ["d"]),
            helper.make_node("Squeeze", ["d", "axes"], ["logit"]),
        ],
        "tower",
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["n", len(second)])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(second, "second"), numpy_helper.from_array(last, "last"), axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
