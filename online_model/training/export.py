"""A trained model as a package that other processes score without torch, and back.

Beside the files that scorers read there is ``curvature.npz``: what the rows' step sizes follow
from, so that learning goes on where it stopped.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from online_model.network import tower_graph
from online_model.network.model import Architecture, Model, Shape, dense_part
from online_model.training.late_clicks import LATE_CLICKS_FILE, LateClicks
from online_model.training.package_scorer import PackageScorer
from schemas.calibration import Calibration
from schemas.feature_reference import FeatureReference
from schemas.features import FeatureSpec
from schemas.model_arrays import ModelArrays
from schemas.model_package import (
    CALIBRATION_FILE,
    DELAYED_FEEDBACK_FILE,
    REFERENCE_FILE,
    TABLE_FILE,
    TOWER_FILE,
    Manifest,
    ModelPackage,
    PackageError,
    file_entries,
)

CURVATURE_FILE = "curvature.npz"  # ids int32 [m], values float32 [m, 2]; other rows have none
TOLERANCE = 1e-5


class ExportError(RuntimeError):
    """The exported package scores differently from the model in torch."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a package says of where its model comes from; ``reference`` is of the training rows.

    DENSE is a snapshot of a model that learnt on, FULL one that was trained from history."""

    model: str
    version: str
    created_ms: int
    parent: str | None = None
    offsets: Mapping[str, int] = field(default_factory=dict)
    watermark_ms: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    reference: FeatureReference | None = None
    kind: Literal["FULL", "DENSE"] = "FULL"


def export(
    model: Model,
    calibration: Calibration,
    late_clicks: LateClicks,
    origin: Origin,
    check: NDArray[np.void],
) -> ModelPackage:
    """A package. Raises ExportError if it scores ``check`` [n] otherwise than the model does."""
    dense = model.dense_parameters()
    shape = model.shape
    files = ModelArrays(
        table=model.table.values.numpy(),
        w1=dense.get("towers.w1", np.zeros((shape.numbers, 0), np.float32)),
        b1=dense.get("towers.b1", np.zeros(0, np.float32)),
        number_weights=dense["number_weights"],
        bias=float(dense["bias"]),
        mean=model.batcher.mean,
        std=model.batcher.std,
    ).to_files()
    if shape.architecture == "deepfm":
        files[TOWER_FILE] = tower_graph.write(dense)
    files[CALIBRATION_FILE] = calibration.model_dump_json().encode()
    if origin.reference is not None:
        files[REFERENCE_FILE] = origin.reference.model_dump_json().encode()
    files[DELAYED_FEEDBACK_FILE] = late_clicks.share.to_bytes()
    files[LATE_CLICKS_FILE] = late_clicks.weights_file()
    files[CURVATURE_FILE] = curvature_file(model.table.curvature.numpy())
    spec = model.batcher.spec
    manifest = Manifest(
        model=origin.model,
        version=origin.version,
        parent=origin.parent,
        kind=origin.kind,
        architecture=shape.architecture,
        created_ms=origin.created_ms,
        feature_fingerprint=spec.fingerprint,
        offsets=dict(origin.offsets),
        watermark_ms=origin.watermark_ms,
        metrics=dict(origin.metrics),
        files=file_entries(files),
    )
    package = ModelPackage.checked(manifest, files)
    _require_parity(model, package, spec, check)
    return package


def load(package: ModelPackage, spec: FeatureSpec) -> Model:
    """The model of a package, ready to learn on.

    Raises PackageError if it does not fit the declaration or a file cannot be used.
    """
    package.require_fingerprint(spec.fingerprint)
    manifest = package.manifest
    architecture: Architecture = manifest.architecture
    shape = Shape.of(spec, architecture)
    arrays = ModelArrays.from_files(
        dict(package.files), shape.rows, shape.fields if shape.dim else 0
    )
    network = dense_part(shape, 1, (1,), 0)
    parameters = {"number_weights": arrays.number_weights, "bias": np.float32(arrays.bias)}
    if architecture == "deepfm":
        towers = tower_graph.read(package.files.get(TOWER_FILE, b""))
        network = dense_part(shape, *tower_graph.sizes(towers), 0)
        parameters |= {"towers.w1": arrays.w1, "towers.b1": arrays.b1, **towers}
    try:
        network.load_state_dict({n: torch.tensor(value) for n, value in parameters.items()})
    except RuntimeError as error:  # a shape that does not fit; torch has no type of its own
        raise PackageError(f"package {manifest.version}: {' '.join(str(error).split())}") from None
    values = torch.from_numpy(np.array(arrays.table, np.float32))
    model = Model.assembled(spec, shape, arrays.mean, arrays.std, values, network)
    _read_curvature(package, model.table.curvature.numpy())
    return model


def row_files(table: NDArray[np.float32], curvature: NDArray[np.float32]) -> dict[str, bytes]:
    """Files of a package: its table [rows, 1 + dim] and curvature [rows, 2]."""
    buffer = io.BytesIO()
    np.save(buffer, table, allow_pickle=False)
    return {TABLE_FILE: buffer.getvalue(), CURVATURE_FILE: curvature_file(curvature)}


def curvature_file(curvature: NDArray[np.float32]) -> bytes:
    """File of a package, of curvature [rows, 2]: rows that gathered none are left out."""
    ids = np.flatnonzero(curvature.any(axis=1)).astype(np.int32)
    buffer = io.BytesIO()
    np.savez(buffer, ids=ids, values=curvature[ids])
    return buffer.getvalue()


def _read_curvature(package: ModelPackage, into: NDArray[np.float32]) -> None:
    try:
        stored = np.load(io.BytesIO(package.files[CURVATURE_FILE]), allow_pickle=False)
        into[stored["ids"]] = stored["values"]
    except (KeyError, ValueError, IndexError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise PackageError(f"{CURVATURE_FILE}: {error!r}") from None


def _require_parity(
    model: Model, package: ModelPackage, spec: FeatureSpec, check: NDArray[np.void]
) -> None:
    try:
        served = PackageScorer(package, spec).logits(check)
    except PackageError as error:
        raise ExportError(f"package {package.manifest.version}: {error}") from None
    difference = np.abs(served - model.logits(check))
    worst = float(difference.max(initial=0.0))
    if not worst <= TOLERANCE:
        raise ExportError(
            f"package {package.manifest.version}: scores differ by {worst:.2g} from torch, "
            f"{TOLERANCE:.0e} is allowed"
        )
