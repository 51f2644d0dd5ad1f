"""The learner's state as bytes, complete: it needs no package in Redis to go on.

Rows that were never seen are zero and have no curvature, so the table is kept as the others only.
They are apart from the state in a :class:`RowStore`, to which a save adds what changed; older
releases had them in the state itself.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from online_model.learning.row_store import RowStore
from online_model.learning.saved_rows import Columns, SavedRows
from online_model.training.delayed_feedback import LateShare
from online_model.training.export import CURVATURE_FILE, row_files
from online_model.training.late_clicks import LATE_CLICKS_FILE, LateClicks
from schemas.model_package import TABLE_FILE, Manifest, ModelPackage

#: With rows in it, which is read only, and with rows apart.
FORMAT, APART_FORMAT = "ctr-learner-1", "ctr-learner-2"
_DENSE = "file:"
#: What reading other bytes raises.
UNREADABLE = (
    KeyError,
    ValidationError,
    ValueError,
    IndexError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
)


class StateError(ValueError):
    """Bytes that are no state of a learner."""


@dataclass(frozen=True, slots=True)
class LearnerState:
    """``package`` is the base with the table, the curvature and the weights of late clicks as they
    are now, so its checksums hold for its other files only. ``touched`` int32 [m] are the rows
    that changed since the base; ``saved_rows`` tells what of them is saved apart.
    """

    package: ModelPackage
    touched: NDArray[np.int32]
    samples_seen: int
    late_share: LateShare
    base_rate: Sequence[Sequence[float]]
    saved_rows: SavedRows


def write(
    base: ModelPackage,
    columns: Columns,
    saved_rows: SavedRows,
    store: RowStore,
    samples_seen: int,
    late_clicks: LateClicks,
    base_rate: Sequence[Sequence[float]],
) -> bytes:
    """What is not in rows; rows, see :func:`columns_of`, go to the store as far as they changed.

    The same state gives the same bytes.
    """
    saved_rows.save(columns, store)
    head = {
        "format": APART_FORMAT,
        "manifest": base.manifest.model_dump(mode="json"),
        "samples_seen": samples_seen,
        "early_clicks": late_clicks.share.early.hex(),
        "late_clicks": late_clicks.share.late.hex(),
        "base_rate": base_rate,
        "table": columns["values"].shape,
        "saved_rows": saved_rows.to_state(),
    }
    nothing = np.zeros(0, np.float32)
    without_rows = LateClicks(late_clicks.share, nothing, nothing, late_clicks.precision)
    arrays = {"head": np.frombuffer(json.dumps(head).encode(), np.uint8)}
    for name, data in {**base.files, LATE_CLICKS_FILE: without_rows.weights_file()}.items():
        if name not in (TABLE_FILE, CURVATURE_FILE):
            arrays[_DENSE + name] = np.frombuffer(data, np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def columns_of(
    table: NDArray[np.float32],
    curvature: NDArray[np.float32],
    late_clicks: LateClicks,
    touched: NDArray[np.bool_],
) -> Columns:
    """All that a learner has for each row."""
    return {
        "values": table,
        "curvature": curvature,
        "late_weights": late_clicks.weights,
        "late_curvature": late_clicks.curvature,
        "touched": touched,
    }


def read(data: bytes, store: RowStore | None = None) -> LearnerState:
    """The reverse of :func:`write`, with its store; one with rows in it needs none.

    Raises StateError.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        head = json.loads(arrays["head"].tobytes())
        files = {
            name.removeprefix(_DENSE): array.tobytes()
            for name, array in arrays.items()
            if name.startswith(_DENSE)
        }
        if head["format"] == FORMAT:
            saved_rows, columns = _rows_within(head, arrays)
        elif head["format"] == APART_FORMAT and store is not None:
            saved_rows, columns = _rows_apart(head, files, store)
        else:
            raise StateError(
                f"learner state: format {head['format']}, this is {FORMAT} or {APART_FORMAT}"
            )
        files |= row_files(columns["values"], columns["curvature"])
        return LearnerState(
            package=ModelPackage(Manifest.model_validate(head["manifest"]), files),
            touched=np.flatnonzero(columns["touched"]).astype(np.int32),
            samples_seen=int(head["samples_seen"]),
            late_share=LateShare(
                float.fromhex(head["early_clicks"]), float.fromhex(head["late_clicks"])
            ),
            base_rate=head.get("base_rate", []),
            saved_rows=saved_rows,
        )
    except StateError:
        raise
    except UNREADABLE as error:
        raise StateError(f"learner state cannot be read: {error!r}") from None


def _rows_within(
    head: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> tuple[SavedRows, Columns]:
    columns = _no_rows(head)
    columns["values"][arrays["ids"]] = arrays["values"]
    columns["curvature"][arrays["ids"]] = arrays["curvature"]
    columns["touched"][arrays["touched"]] = True
    return SavedRows(head["table"][0]), columns


def _rows_apart(
    head: dict[str, Any], files: dict[str, bytes], store: RowStore
) -> tuple[SavedRows, Columns]:
    late_clicks = LateClicks.from_files(files, head["table"][0])
    zero = _no_rows(head)
    columns = columns_of(zero["values"], zero["curvature"], late_clicks, zero["touched"])
    saved_rows = SavedRows.from_state(head["saved_rows"])
    saved_rows.load(columns, store)
    files[LATE_CLICKS_FILE] = late_clicks.weights_file()
    return saved_rows, columns


def _no_rows(head: dict[str, Any]) -> dict[str, NDArray[Any]]:
    rows, width = head["table"]
    return {
        "values": np.zeros((rows, width), np.float32),
        "curvature": np.zeros((rows, 2), np.float32),
        "touched": np.zeros(rows, np.bool_),
    }
