"""The layers of a tower's ONNX graph as arrays, if it is one that the 8-bit kernels can run."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from scorer.kernels.arguments import OUTPUTS

Floats = NDArray[np.float32]
_SHAPELESS = {"Relu", "Reshape", "Transpose", "Squeeze", "ReduceMean"}


@dataclass(frozen=True, slots=True)
class Layer:
    """``weights`` [towers, inputs, outputs], ``shifts`` [towers, outputs]."""

    weights: Floats
    shifts: Floats


def layers_of(graph: bytes) -> list[Layer] | None:
    """Dense layers with ReLU before each, as online_model.network.tower_graph writes them.

    None for a graph of another form: ONNX Runtime alone runs that.
    """
    model: Any = onnx.load_model_from_string(graph)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    layers: list[Layer] = []
    active = False
    for node in model.graph.node:
        if node.op_type == "MatMul" and active and node.input[1] in constants:
            weights = _by_tower(constants[node.input[1]])
            layers.append(Layer(weights, np.zeros(weights[:, 0].shape, np.float32)))
            active = False
        elif node.op_type == "Add" and layers and node.input[1] in constants and not active:
            shifts = constants[node.input[1]].reshape(layers[-1].shifts.shape)
            layers[-1] = Layer(layers[-1].weights, shifts.astype(np.float32))
        elif node.op_type in _SHAPELESS:
            active = active or node.op_type == "Relu"
        else:
            return None
    return layers if layers and layers[-1].weights.shape[2] == 1 and not active else None


def _by_tower(weights: NDArray[Any]) -> Floats:
    shaped = weights if weights.ndim == 3 else weights[np.newaxis]
    return np.ascontiguousarray(shaped, np.float32)


def padded(width: int) -> int:
    """The next multiple of what kernels compute together."""
    return -(-width // OUTPUTS) * OUTPUTS


def by_outputs(matrices: Floats) -> Floats:
    """Matrices [.., inputs, outputs] -> [.., outputs / 32, inputs, 32], as kernels read them."""
    *rest, inputs, outputs = matrices.shape
    blocks = matrices.reshape(*rest, inputs, outputs // OUTPUTS, OUTPUTS)
    return np.ascontiguousarray(np.moveaxis(blocks, -2, -3))


def padded_to(array: Floats, rows: int, columns: int) -> Floats:
    """Matrices [towers, .., ..] -> [towers, rows, columns], with zeros."""
    out: Floats = np.zeros((len(array), rows, columns), array.dtype)
    out[:, : array.shape[1], : array.shape[2]] = array
    return out


def in_turn(arrays: list[Floats], towers: int) -> Floats:
    """Arrays [towers, n] of each layer -> all of the first tower, then of the next."""
    parts = [array[tower] for tower in range(towers) for array in arrays]
    joined: Floats = np.concatenate((np.empty(0, np.float32), *parts), dtype=np.float32)
    return joined
