"""A DeepFM with random weights of a trained one's scale: tower 320-256-128-64-1."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from online_model.network import tower_graph
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_arrays import ModelArrays
from schemas.model_package import CALIBRATION_FILE, TOWER_FILE, Manifest, ModelPackage, file_entries
from tests.benchmarks.bench_scorer.world import FIRST_TS

Floats = NDArray[np.float32]
WIDTHS = (256, 128, 64, 1)
#: The scale of rows that few ads have: what sets the ads of a cluster apart is smaller than what
#: they share, as in a trained table.
OWN_FIELDS = {"ad": 0.06, "campaign": 0.06, "landing": 0.06, "user": 0.1}
SHARED_SCALE = 0.12


@dataclass(frozen=True)
class BenchModel:
    """``dense`` are weights [inputs, outputs] and biases [outputs] of the layers after the first.

    Biases of a random model are not zero: so no unit is silent for all ads.
    """

    layout: Layout
    arrays: ModelArrays
    dense: tuple[tuple[Floats, Floats], ...]
    calibration: Calibration

    @classmethod
    def of(cls, spec: FeatureSpec, seed: int) -> "BenchModel":
        """By a seed."""
        layout = Layout.of(spec)
        random = np.random.default_rng(seed)
        dim, numbers = spec.embedding_dim, len(layout.number_names)

        def normal(scale: float, *shape: int) -> Floats:
            return random.standard_normal(shape, np.float32) * np.float32(scale)

        table = normal(SHARED_SCALE, layout.rows, 1 + dim)
        for feature in (*layout.request_categoricals, *layout.ad_categoricals):
            start = layout.offsets[feature.name]
            scale = OWN_FIELDS.get(feature.name, SHARED_SCALE) / SHARED_SCALE
            table[start : start + feature.buckets] *= np.float32(scale)
        fields = layout.fields * dim
        first = np.vstack((normal(fields**-0.5 * 3, fields, WIDTHS[0]), normal(0.05, numbers, 256)))
        dense = tuple(
            (normal((2 / inputs) ** 0.5, inputs, outputs), normal(0.1, outputs))
            for inputs, outputs in pairwise(WIDTHS)
        )
        arrays = ModelArrays(
            table=table,
            w1=first,
            b1=normal(0.1, WIDTHS[0]),
            number_weights=normal(0.1, numbers),
            bias=-3.0,
            mean=np.zeros(numbers, np.float32),
            std=np.ones(numbers, np.float32),
        )
        calibration = Calibration(method="platt", logits=(-8.0, 4.0), outputs=(-8.0, 4.0))
        return cls(layout, arrays, dense, calibration)

    def package(self, version: str, fingerprint: str) -> ModelPackage:
        """As a learner would publish it."""
        files = {
            **self.arrays.to_files(),
            TOWER_FILE: self.tower_onnx(),
            CALIBRATION_FILE: self.calibration.model_dump_json().encode(),
        }
        manifest = Manifest(
            model="deepfm",
            version=version,
            created_ms=FIRST_TS,
            feature_fingerprint=fingerprint,
            files=file_entries(files),
        )
        return ModelPackage(manifest, files)

    def tower_onnx(self) -> bytes:
        """The layers after the first one's products, as the learner exports them."""
        parameters: dict[str, Floats] = {}
        for i, (weight, bias) in enumerate(self.dense):
            parameters[f"towers.weights.{i}"] = weight[np.newaxis]
            parameters[f"towers.shifts.{i}"] = bias[np.newaxis, np.newaxis]
        return tower_graph.write(parameters)

    def whole_onnx(self) -> bytes:
        """All layers: concatenated inputs [n, width] -> logit [n], as without halves."""
        nodes, weights, at = [], [], "inputs"
        for i, (weight, bias) in enumerate(((self.arrays.w1, self.arrays.b1), *self.dense)):
            if i:
                nodes.append(helper.make_node("Relu", [at], [f"active{i}"]))
                at = f"active{i}"
            nodes.append(helper.make_node("Gemm", [at, f"w{i}", f"b{i}"], [f"dense{i}"]))
            at = f"dense{i}"
            weights.append(numpy_helper.from_array(weight, f"w{i}"))
            weights.append(numpy_helper.from_array(bias, f"b{i}"))
        nodes.append(helper.make_node("Squeeze", [at, "axes"], ["logit"]))
        weights.append(numpy_helper.from_array(np.array([1], np.int64), "axes"))
        graph = helper.make_graph(
            nodes,
            "whole",
            [
                helper.make_tensor_value_info(
                    "inputs", TensorProto.FLOAT, ["n", len(self.arrays.w1)]
                )
            ],
            [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])],
            weights,
        )
        opsets = [helper.make_opsetid("", tower_graph.OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=tower_graph.IR_VERSION)
        data: bytes = model.SerializeToString()
        return data
