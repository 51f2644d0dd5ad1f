"""Predictions, labels and field values in ``.npy`` files; a fault names the option that gave it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ArrayError(ValueError):
    """A file that is no array of what the option says; the message names the option."""


@dataclass(frozen=True, slots=True)
class ArrayOption:
    """A file and the command-line option that named it."""

    option: str
    path: Path

    def probabilities(self) -> NDArray[np.float64]:
        """[n], n > 0, each in [0, 1]. Raises ArrayError."""
        values = self._numbers()
        bad = np.flatnonzero(~((values >= 0.0) & (values <= 1.0)))
        if len(bad):
            raise self._error(f"row {bad[0]} is {values[bad[0]]}, expected 0 ≤ p ≤ 1")
        return values

    def labels(self, rows: int, of: "ArrayOption") -> NDArray[np.float64]:
        """[rows], each 0 or 1, for as many ``rows`` as option ``of`` has. Raises ArrayError."""
        values = self._numbers()
        self._require_rows(len(values), rows, of)
        bad = np.flatnonzero((values != 0.0) & (values != 1.0))
        if len(bad):
            raise self._error(f"row {bad[0]} is {values[bad[0]]}, expected 0 or 1")
        return values

    def fields(self, rows: int, of: "ArrayOption") -> NDArray[Any]:
        """[rows, fields], a value of each field, numbers or text. Raises ArrayError."""
        values = self._loaded()
        values = values[:, None] if values.ndim == 1 else values
        shape = f"expected [rows, fields], its shape is {values.shape}"
        self._require(values.ndim == 2 and values.shape[1] > 0, shape)
        self._require_rows(len(values), rows, of)
        self._require(values.dtype.kind in "biufSU", f"values of type {values.dtype} are no fields")
        if values.dtype.kind == "f" and np.isnan(values).any():
            row, field = np.argwhere(np.isnan(values))[0]
            raise self._error(f"row {row}, field {field} is NaN")
        return values

    def _numbers(self) -> NDArray[np.float64]:
        """[n], n > 0, from a file of [n] or [n, 1]."""
        values = self._loaded()
        self._require(values.dtype.kind in "biuf", f"values of type {values.dtype} are no numbers")
        column = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        self._require(column.ndim == 1, f"expected one number a row, its shape is {values.shape}")
        self._require(column.size > 0, "there are no rows")
        return column.astype(np.float64)

    def _loaded(self) -> NDArray[Any]:
        try:
            values = np.load(self.path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            remedy = " (save it .astype(str))" if "Object arrays" in str(error) else ""
            raise self._error(f"cannot be read as .npy: {error}{remedy}") from None
        self._require(isinstance(values, np.ndarray), "expected one array, as numpy.save writes it")
        array: NDArray[Any] = values
        return array

    def _require_rows(self, found: int, rows: int, of: "ArrayOption") -> None:
        self._require(found == rows, f"has {found} rows, {of.option} has {rows}")

    def _require(self, holds: bool, fault: str) -> None:
        if not holds:
            raise self._error(fault)

    def _error(self, fault: str) -> ArrayError:
        return ArrayError(f"{self.option} {self.path}: {fault}")
