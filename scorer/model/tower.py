"""The deep tower, hidden layer -> logit: by the kernels, or by ONNX Runtime if it has another form.

ONNX Runtime reads every graph and has the last word: the kernels serve if they give the same.
"""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from schemas.model_package import PackageError
from scorer.kernels import ExactWeights, best_kernels
from scorer.model.tower_layers import Layer, by_outputs, in_turn, layers_of, padded, padded_to

INPUT = "hidden"
_PROBES = 64
_TOLERANCE = 1e-4


class Tower:
    """Thread-safe; releases the GIL while it computes. ``onnx_bytes`` is its graph."""

    def __init__(self, onnx_bytes: bytes, hidden: int) -> None:
        """``hidden`` is the width of the input. Raises PackageError if the file does not fit."""
        self.onnx_bytes = onnx_bytes
        self._kernels = best_kernels()
        #: For the kernels; None: ONNX Runtime computes.
        self.weights: ExactWeights | None = None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        probes = np.random.default_rng(0).standard_normal((_PROBES, hidden)).astype(np.float32)
        try:
            self._session = onnxruntime.InferenceSession(
                onnx_bytes, options, providers=["CPUExecutionProvider"]
            )
            logits = self.logits(probes)
        except Exception as error:  # its exceptions share no base class
            raise PackageError(f"tower: ONNX Runtime refuses it: {error}") from None
        if logits.shape != (_PROBES,):
            raise PackageError(
                f"tower: answers shape {logits.shape} to {_PROBES} inputs, expected ({_PROBES},)"
            )
        layers = layers_of(onnx_bytes)
        if layers is not None:
            weights = _exact_weights(layers)
            ours = self._kernels.exact_logits(weights, probes)
            if np.allclose(ours, logits, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True):
                self.weights = weights

    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """First layer before its activation [n, h1] -> logits [n]."""
        if self.weights is not None:
            return self._kernels.exact_logits(self.weights, hidden)
        outputs: list[Any] = self._session.run(None, {INPUT: hidden})
        logits: NDArray[np.float32] = outputs[0]
        return logits


def _exact_weights(layers: list[Layer]) -> ExactWeights:
    towers, inputs = layers[0].weights.shape[:2]
    widths = [padded(layer.weights.shape[1]) for layer in layers]
    shapes = list(zip(layers[:-1], widths, widths[1:], strict=False))
    return ExactWeights(
        towers=towers,
        inputs=inputs,
        widths=np.array(widths, np.int32),
        weights=in_turn(
            [
                by_outputs(padded_to(layer.weights, i, o)).reshape(towers, -1)
                for layer, i, o in shapes
            ],
            towers,
        ),
        shifts=in_turn(
            [padded_to(layer.shifts[:, None], 1, o)[:, 0] for layer, _, o in shapes], towers
        ),
        last=np.ascontiguousarray(
            padded_to(layers[-1].weights.transpose(0, 2, 1), 1, widths[-1])[:, 0], np.float32
        ),
        constant=float(layers[-1].shifts.mean()),
    )
