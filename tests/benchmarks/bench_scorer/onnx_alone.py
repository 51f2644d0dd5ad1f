"""The whole model as one ONNX graph, rows of the table included: another usual way to rank."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from online_model.network import tower_graph
from schemas.layout import raw_numbers
from tests.benchmarks.bench_scorer.model import BenchModel, Floats

#: The first one in which all reductions take their axes as an input.
_OPSET = 18


class OnnxAlone:
    """Scores of whole inputs [n] by ONNX Runtime alone, one thread."""

    def __init__(self, model: BenchModel) -> None:
        self._table = model.arrays.table
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            _graph(model), options, providers=["CPUExecutionProvider"]
        )

    def logits(self, samples: NDArray[np.void]) -> Floats:
        """Logits [n]."""
        sequence = samples["sequence"][0]
        inputs = {
            "table": self._table,
            "request_ids": np.ascontiguousarray(samples["request_ids"]),
            "ad_ids": np.ascontiguousarray(samples["ad_ids"]),
            "clicked": sequence[sequence >= 0],
            "numbers": raw_numbers(samples),
        }
        outputs: list[Any] = self._session.run(None, inputs)
        logits: Floats = outputs[0]
        return logits


def _graph(model: BenchModel) -> bytes:
    """The clicked ads, one or more, are those of all n samples."""
    arrays, dim = model.arrays, model.arrays.table.shape[1] - 1
    nodes, constants = [], []

    def constant(name: str, value: object, dtype: type = np.int64) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(kind: str, inputs: list[str], name: str, **attributes: int) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    node("Gather", ["table", "request_ids"], "request_rows")
    node("Gather", ["table", "ad_ids"], "ad_rows")
    node("Gather", ["table", "clicked"], "clicked_rows")
    node("ReduceMean", ["clicked_rows", constant("first", [0])], "clicked_mean")
    node("Shape", ["ad_ids"], "count", start=0, end=1)
    node("Concat", ["count", constant("row", [1, dim + 1])], "spread", axis=0)
    node("Expand", ["clicked_mean", "spread"], "pooled")
    node("Concat", ["request_rows", "pooled", "ad_rows"], "rows", axis=1)
    node("Split", ["rows", constant("parts", [1, dim])], "weights", axis=2)
    nodes[-1].output.append("embeddings")
    fields, each = constant("fields", [1]), constant("each", [1, 2])
    node("ReduceSum", ["weights", each], "weight", keepdims=0)
    node("ReduceSum", ["embeddings", fields], "sums", keepdims=0)
    node("ReduceSumSquare", ["sums", fields], "of_sums", keepdims=0)
    node("ReduceSumSquare", ["embeddings", each], "of_all", keepdims=0)
    node("Sub", ["of_sums", "of_all"], "twice")
    node("Mul", ["twice", constant("half", 0.5, np.float32)], "pairs")
    node("Sub", ["numbers", constant("mean", arrays.mean, np.float32)], "centred")
    node("Div", ["centred", constant("std", arrays.std, np.float32)], "scaled")
    number_weights = constant("number_weights", arrays.number_weights, np.float32)
    node("MatMul", ["scaled", number_weights], "linear")
    width = len(arrays.w1) - len(arrays.mean)
    node("Reshape", ["embeddings", constant("flat", [-1, width])], "flattened")
    at = node("Concat", ["flattened", "scaled"], "inputs", axis=1)
    for i, (weight, bias) in enumerate(((arrays.w1, arrays.b1), *model.dense)):
        if i:
            at = node("Relu", [at], f"active{i}")
        w, b = constant(f"w{i}", weight, np.float32), constant(f"b{i}", bias, np.float32)
        at = node("Gemm", [at, w, b], f"dense{i}")
    node("Squeeze", [at, fields], "tower")
    node(
        "Sum",
        ["weight", "pairs", "linear", "tower", constant("b", arrays.bias, np.float32)],
        "logit",
    )
    ids, count = TensorProto.INT32, "n"
    given = (
        ("table", TensorProto.FLOAT, ["rows", dim + 1]),
        ("request_ids", ids, [count, len(model.layout.request_categoricals)]),
        ("ad_ids", ids, [count, len(model.layout.ad_categoricals)]),
        ("clicked", ids, ["clicks"]),
        ("numbers", TensorProto.FLOAT, [count, len(arrays.mean)]),
    )
    graph = helper.make_graph(
        nodes,
        "alone",
        [helper.make_tensor_value_info(*value) for value in given],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, [count])],
        constants,
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=tower_graph.IR_VERSION)
    data: bytes = made.SerializeToString()
    return data
