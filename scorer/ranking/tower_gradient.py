"""The gradient of the tower's logit by its input, from its ONNX graph, in numpy.

A tower of ReLU is linear around almost every point, so there its gradient says exactly what each
input adds. Reverse mode over a chain of nodes: each has one input that is no constant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from schemas.model_package import PackageError
from scorer.model.tower import INPUT

Array = NDArray[Any]
#: Gradient by a node's output -> gradient by its input.
Backward = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class _Node:
    """One step of the chain; ``constant`` is its second input, if it has one."""

    kind: str
    constant: Array | None
    attributes: Mapping[str, Any]

    def step(self, x: Array) -> tuple[Array, Backward]:
        """Its output for an input, and the way back."""
        constant: Any = self.constant
        match self.kind:
            case "Relu":
                return np.maximum(x, 0), lambda g: g * (x > 0)
            case "MatMul":
                return x @ constant, lambda g: g @ np.swapaxes(constant, -1, -2)
            case "Add":
                return x + constant, lambda g: g
            case "Reshape":
                return x.reshape(constant), lambda g: g.reshape(x.shape)
            case "Squeeze":
                return x.squeeze(tuple(constant.tolist())), lambda g: g.reshape(x.shape)
            case "Transpose":
                order = self.attributes["perm"]
                return x.transpose(order), lambda g: g.transpose(np.argsort(order))
            case "ReduceMean":
                (axis,) = self.attributes["axes"]
                count = x.shape[axis]
                return x.mean(axis), lambda g: np.stack([g / count] * count, axis)
            case other:
                raise PackageError(f"tower: cannot be explained, it has a node {other}")


class TowerGradient:
    """Of one tower. Raises PackageError if its graph has other nodes than our exports."""

    def __init__(self, onnx_bytes: bytes) -> None:
        graph = onnx.load_model_from_string(onnx_bytes).graph
        constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._nodes = []
        value = INPUT
        for node in graph.node:
            if node.input[0] != value or any(name not in constants for name in node.input[1:]):
                raise PackageError(f"tower: cannot be explained, {node.op_type} is no chain")
            attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
            constant = constants[node.input[1]] if len(node.input) > 1 else None
            if constant is not None and constant.dtype == np.float32:
                constant = constant.astype(np.float64)
            self._nodes.append(_Node(node.op_type, constant, attributes))
            value = node.output[0]

    def at(self, hidden: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """First layer before its activation [n, h1] -> logits [n], their gradients [n, h1]."""
        value: Array = hidden
        back: list[Backward] = []
        for node in self._nodes:
            value, backward = node.step(value)
            back.append(backward)
        gradient: Array = np.ones_like(value)
        for backward in reversed(back):
            gradient = backward(gradient)
        return value, gradient
