"""The arrays of a package as typed values: embedding table, first layer, standardisation."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.model_package import DENSE_FILE, STANDARDISATION_FILE, TABLE_FILE, PackageError

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelArrays:
    """What a score needs before the tower.

    ``table`` [rows, 1 + dim]; ``w1`` [fields·dim + numbers, h1], its rows in the order of
    schemas.layout (fields, then numbers); ``b1`` [h1]; ``number_weights`` [numbers]; ``bias``;
    ``mean`` and ``std`` [numbers].
    """

    table: Floats
    w1: Floats
    b1: Floats
    number_weights: Floats
    bias: float
    mean: Floats
    std: Floats

    def to_files(self) -> dict[str, bytes]:
        """Files of a package."""
        return {
            TABLE_FILE: _npy(self.table),
            DENSE_FILE: _npz(
                w1=self.w1,
                b1=self.b1,
                number_weights=self.number_weights,
                bias=np.float32(self.bias),
            ),
            STANDARDISATION_FILE: _npz(mean=self.mean, std=self.std),
        }

    @classmethod
    def from_files(
        cls, files: dict[str, bytes], rows: int, fields: int, table: Floats | None = None
    ) -> "ModelArrays":
        """From the files of a package, the ``table`` from elsewhere if one is given.

        Raises PackageError if a shape does not fit the layout, or a number is not finite.
        """
        read_here = table is None
        try:
            if table is None:
                table = np.load(io.BytesIO(files[TABLE_FILE]), allow_pickle=False)
            dense = np.load(io.BytesIO(files[DENSE_FILE]), allow_pickle=False)
            scale = np.load(io.BytesIO(files[STANDARDISATION_FILE]), allow_pickle=False)
            arrays = cls(
                table=table,
                w1=dense["w1"],
                b1=dense["b1"],
                number_weights=dense["number_weights"],
                bias=float(dense["bias"]),
                mean=scale["mean"],
                std=scale["std"],
            )
        except (KeyError, ValueError, OSError) as error:
            raise PackageError(f"model arrays: {error!r}") from None
        numbers = len(arrays.mean)
        dim = table.shape[1] - 1 if table.ndim == 2 else -1
        expected = {
            "table": (table.shape, (rows, 1 + dim)),
            "w1": (arrays.w1.shape, (fields * dim + numbers, len(arrays.b1))),
            "number_weights": (arrays.number_weights.shape, (numbers,)),
            "std": (arrays.std.shape, (numbers,)),
        }
        for name, (got, wanted) in expected.items():
            if got != wanted:
                raise PackageError(f"model arrays: {name} has shape {got}, expected {wanted}")
        for name in arrays.__slots__:
            values = getattr(arrays, name)
            if (read_here or name != "table") and not _is_finite(values):
                raise PackageError(f"model arrays: {name} has a number that is not finite")
        return arrays


def _is_finite(values: Floats | float) -> bool:
    """Without a copy: tables are large. NaN is the least and the largest of whatever it is in."""
    return bool(np.size(values) == 0 or np.isfinite((np.min(values), np.max(values))).all())


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
