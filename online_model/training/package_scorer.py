"""Scores a package offline with numpy and ONNX Runtime: the plain form of what the scorer does."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import ValidationError

from schemas.calibration import Calibration
from schemas.crosses import cross_ids
from schemas.features import FeatureSpec
from schemas.layout import Layout, raw_numbers
from schemas.model_arrays import ModelArrays
from schemas.model_package import CALIBRATION_FILE, TOWER_FILE, ModelPackage, PackageError

BATCH = 4096


class PackageScorer:
    """Either architecture. Raises PackageError if the package does not fit the declaration."""

    def __init__(self, package: ModelPackage, spec: FeatureSpec) -> None:
        package.require_fingerprint(spec.fingerprint)
        self.version = package.manifest.version
        self._spec, self._layout = spec, Layout.of(spec)
        self._is_lr = package.manifest.architecture == "lr"
        rows, fields = self._layout.rows, self._layout.fields
        if self._is_lr:
            rows, fields = rows + (spec.cross_buckets if spec.crosses else 0), 0
        self._arrays = ModelArrays.from_files(dict(package.files), rows, fields)
        try:
            text = package.files[CALIBRATION_FILE]
            self.calibration = Calibration.model_validate_json(text)
            self._tower = None if self._is_lr else _session(package.files[TOWER_FILE])
        except (KeyError, ValidationError) as error:
            raise PackageError(f"package {self.version}: {error!r}") from None

    @property
    def rows(self) -> int:
        """Of the table."""
        return len(self._arrays.table)

    def rows_read(self, samples: NDArray[np.void]) -> NDArray[np.int32]:
        """Rows [n, r] that score samples [n]; -1 is none."""
        parts = [samples["request_ids"], samples["ad_ids"]]
        if self._layout.sequence is not None:
            parts.append(samples["sequence"])
        if self._is_lr:
            parts.append(cross_ids(self._spec, self._layout, samples))
        ids: NDArray[np.int32] = np.concatenate(parts, axis=1).astype(np.int32)
        return ids

    def put_rows(self, ids: NDArray[np.int32], values: NDArray[np.float32]) -> None:
        """Rows [m] of the table are ``values`` [m, 1+dim] from now on, as by a row delta."""
        if len(ids):  # otherwise values, as they are read from a delta, have no width
            self._arrays.table[ids] = values

    def logits(self, samples: NDArray[np.void]) -> NDArray[np.float32]:
        """Scores [n] of encoded samples [n], before calibration."""
        parts = [self._scores(samples[at : at + BATCH]) for at in range(0, len(samples), BATCH)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def probabilities(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """Calibrated probabilities [n] of encoded samples [n]."""
        return self.calibration.probabilities(self.logits(samples))

    def _scores(self, samples: NDArray[np.void]) -> NDArray[np.float32]:
        arrays = self._arrays
        numbers = raw_numbers(samples)
        z = (numbers - arrays.mean) / arrays.std
        fields = self._fields(samples)
        scores = fields[:, :, 0].sum(axis=1) + z @ arrays.number_weights + np.float32(arrays.bias)
        if self._tower is not None:
            vectors = fields[:, :, 1:]
            total = vectors.sum(axis=1)
            scores += 0.5 * ((total**2).sum(axis=1) - (vectors**2).sum(axis=(1, 2)))
            inputs = np.concatenate([vectors.reshape(len(samples), -1), z], axis=1)
            (tower,) = self._tower.run(None, {"hidden": inputs @ arrays.w1 + arrays.b1})
            scores += tower
        result: NDArray[np.float32] = scores.astype(np.float32)
        return result

    def _fields(self, samples: NDArray[np.void]) -> NDArray[np.float32]:
        """[n, F, 1+dim]: request categoricals, the pooled sequence, ad categoricals, crosses."""
        table = self._arrays.table
        parts = [table[samples["request_ids"]]]
        if self._layout.sequence is not None:
            ids = samples["sequence"]
            used = (ids >= 0)[:, :, None].astype(np.float32)
            total = (table[np.maximum(ids, 0)] * used).sum(axis=1, keepdims=True)
            parts.append(total / np.maximum(used.sum(axis=1, keepdims=True), 1.0))
        parts.append(table[samples["ad_ids"]])
        if self._is_lr:
            parts.append(table[cross_ids(self._spec, self._layout, samples)])
        return np.concatenate(parts, axis=1)


def _session(tower: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(tower, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's error types are not public
        raise PackageError(f"{TOWER_FILE}: {error}") from None
