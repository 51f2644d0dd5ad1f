"""A training in a file: the trainer's state and its place, replaced at once and durably."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch


class CheckpointError(ValueError):
    """A checkpoint that cannot be gone on from; the message names the file."""


def write_checkpoint(path: Path, state: dict[str, Any], place: Any) -> None:
    """Tensors and plain values. A reader sees the old file or the new one, whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save({"state": state, "place": place}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], Any]:
    """State and place. Raises CheckpointError."""
    try:
        stored = torch.load(path, weights_only=True)
        return stored["state"], stored["place"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: no checkpoint: {error}; delete it to begin anew") from None
