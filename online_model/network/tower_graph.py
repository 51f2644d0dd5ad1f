"""The towers after their first layer as an ONNX graph, and back.

``hidden`` float32 [n, K·h1], before its activation -> ``logit`` [n], whatever K and depth are.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from schemas.model_package import TOWER_FILE, PackageError

OPSET = 17
IR_VERSION = 8
_WEIGHT, _SHIFT = "towers.weights.", "towers.shifts."


def write(parameters: Mapping[str, NDArray[np.float32]]) -> bytes:
    """From the parameters of a :class:`DeepFM` by name."""
    layers = sum(name.startswith(_WEIGHT) for name in parameters)
    weights = [parameters[f"{_WEIGHT}{layer}"] for layer in range(layers)]
    towers, first = weights[0].shape[:2]
    constants: dict[str, NDArray[Any]] = {
        name: parameters[name] for name in parameters if _is_layer(name)
    }
    constants |= {"by_tower": np.array([-1, towers, first]), "no_unit": np.array([2])}
    nodes = [
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Reshape", ["active", "by_tower"], ["side_by_side"]),
        helper.make_node("Transpose", ["side_by_side"], ["layer_0"], perm=[1, 0, 2]),
    ]
    for i in range(layers):
        inputs = f"layer_{i}"
        if i:
            nodes.append(helper.make_node("Relu", [inputs], [f"active_{i}"]))
            inputs = f"active_{i}"
        nodes.append(helper.make_node("MatMul", [inputs, f"{_WEIGHT}{i}"], [f"product_{i}"]))
        nodes.append(helper.make_node("Add", [f"product_{i}", f"{_SHIFT}{i}"], [f"layer_{i + 1}"]))
    nodes.append(helper.make_node("Squeeze", [f"layer_{layers}", "no_unit"], ["logits"]))
    nodes.append(helper.make_node("ReduceMean", ["logits"], ["logit"], axes=[0], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "towers",
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["n", towers * first])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return cast(bytes, model.SerializeToString())


def read(graph: bytes) -> dict[str, NDArray[Any]]:
    """The reverse of :func:`write`, without the first layer. Raises PackageError."""
    try:
        constants = onnx.load_model_from_string(graph).graph.initializer
        found = {c.name: numpy_helper.to_array(c) for c in constants}
        parameters = {n: a for n, a in found.items() if _is_layer(n)}
        if any(array.ndim != 3 for array in parameters.values()) or not parameters:
            raise ValueError("no layers of towers")
    except Exception as error:  # protobuf's own error type is not public
        raise PackageError(f"{TOWER_FILE}: {error!r}") from None
    return parameters


def sizes(parameters: Mapping[str, NDArray[Any]]) -> tuple[int, tuple[int, ...]]:
    """How many towers, and the widths of their hidden layers."""
    weights = [a for name, a in sorted(parameters.items()) if name.startswith(_WEIGHT)]
    return weights[0].shape[0], tuple(weight.shape[1] for weight in weights)


def _is_layer(name: str) -> bool:
    return name.startswith((_WEIGHT, _SHIFT))
