"""The learner's state as bytes, complete: it needs no package in Redis to go on.

Rows that were never seen are zero and have no curvature, so the table is kept as the others only.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from online_model.delayed_feedback import LateShare
from online_model.export import CURVATURE_FILE, curvature_file
from online_model.late_clicks import LATE_CLICKS_FILE, LateClicks
from schemas.model_package import TABLE_FILE, Manifest, ModelPackage

FORMAT = "ctr-learner-1"
_DENSE = "file:"
_UNREADABLE = (
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
    that changed since the base.
    """

    package: ModelPackage
    touched: NDArray[np.int32]
    samples_seen: int
    early_clicks: float
    late_clicks: float
    base_rate: Sequence[Sequence[float]]


def write(
    base: ModelPackage,
    table: NDArray[np.float32],
    curvature: NDArray[np.float32],
    touched: NDArray[np.int32],
    samples_seen: int,
    late_clicks: LateClicks,
    base_rate: Sequence[Sequence[float]],
) -> bytes:
    """State of a learner on ``base`` with its table [rows, 1+dim] and curvature [rows, 2].

    The same state gives the same bytes.
    """
    head = {
        "format": FORMAT,
        "manifest": base.manifest.model_dump(mode="json"),
        "table": table.shape,
        "samples_seen": samples_seen,
        "early_clicks": late_clicks.share.early.hex(),
        "late_clicks": late_clicks.share.late.hex(),
        "base_rate": base_rate,
    }
    ids = np.flatnonzero(table.any(axis=1) | curvature.any(axis=1)).astype(np.int32)
    arrays: dict[str, NDArray[Any]] = {
        "head": np.frombuffer(json.dumps(head).encode(), np.uint8),
        "ids": ids,
        "values": table[ids],
        "curvature": curvature[ids],
        "touched": touched,
    }
    current = {LATE_CLICKS_FILE: late_clicks.weights_file()}
    for name, data in {**base.files, **current}.items():
        if name not in (TABLE_FILE, CURVATURE_FILE):
            arrays[_DENSE + name] = np.frombuffer(data, np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def read(data: bytes) -> LearnerState:
    """The reverse of :func:`write`. Raises StateError."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        head = json.loads(arrays["head"].tobytes())
        if head["format"] != FORMAT:
            raise StateError(f"learner state: format {head['format']}, this is {FORMAT}")
        rows, width = head["table"]
        table = np.zeros((rows, width), np.float32)
        table[arrays["ids"]] = arrays["values"]
        buffer = io.BytesIO()
        np.save(buffer, table, allow_pickle=False)
        files = {
            TABLE_FILE: buffer.getvalue(),
            CURVATURE_FILE: curvature_file(arrays["ids"], arrays["curvature"]),
        }
        for name, array in arrays.items():
            if name.startswith(_DENSE):
                files[name.removeprefix(_DENSE)] = array.tobytes()
        return LearnerState(
            package=ModelPackage(Manifest.model_validate(head["manifest"]), files),
            touched=arrays["touched"],
            samples_seen=int(head["samples_seen"]),
            early_clicks=float.fromhex(head["early_clicks"]),
            late_clicks=float.fromhex(head["late_clicks"]),
            base_rate=head.get("base_rate", []),
        )
    except StateError:
        raise
    except _UNREADABLE as error:
        raise StateError(f"learner state cannot be read: {error!r}") from None


def write_mark(
    kept: Mapping[str, NDArray[Any]],
    samples_seen: int,
    late_share: LateShare,
    base_rate: Sequence[Sequence[float]],
) -> bytes:
    """What a learner can go back to: arrays of a journal, and what was not in rows then."""
    head = [samples_seen, late_share.early, late_share.late, base_rate]
    buffer = io.BytesIO()
    np.savez(buffer, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **kept)
    return buffer.getvalue()


def read_mark(
    data: bytes,
) -> tuple[dict[str, NDArray[Any]], int, LateShare, Sequence[Sequence[float]]]:
    """The reverse of :func:`write_mark`. Raises StateError."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            kept = {name: stored[name] for name in stored.files}
        seen, early, late, base_rate = json.loads(kept.pop("head").tobytes())
        return kept, int(seen), LateShare(float(early), float(late)), base_rate
    except _UNREADABLE as error:
        raise StateError(f"mark of a learner cannot be read: {error!r}") from None
