"""The deep tower in ONNX Runtime: hidden layer -> logit, one thread and no spinning."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from schemas.model_package import PackageError

INPUT = "hidden"


class Tower:
    """Thread-safe; releases the GIL while it computes. ``onnx_bytes`` is its graph."""

    def __init__(self, onnx_bytes: bytes, hidden: int) -> None:
        """``hidden`` is the width of the input. Raises PackageError if the file does not fit."""
        self.onnx_bytes = onnx_bytes
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                onnx_bytes, options, providers=["CPUExecutionProvider"]
            )
            logits = self.logits(np.zeros((2, hidden), np.float32))
        except Exception as error:  # its exceptions share no base class
            raise PackageError(f"tower: ONNX Runtime refuses it: {error}") from None
        if logits.shape != (2,):
            raise PackageError(f"tower: answers shape {logits.shape} to 2 inputs, expected (2,)")

    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """First layer before its activation [n, h1] -> logits [n]."""
        outputs: list[Any] = self._session.run(None, {INPUT: hidden})
        logits: NDArray[np.float32] = outputs[0]
        return logits
