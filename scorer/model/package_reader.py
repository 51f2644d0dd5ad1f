"""Packages as models that can be scored; a package that does not fit is refused by name."""

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from schemas.calibration import Calibration
from schemas.encoding import Encoder
from schemas.model_arrays import ModelArrays
from schemas.model_package import CALIBRATION_FILE, TOWER_FILE, ModelPackage, PackageError
from schemas.redis_values import UserRow
from scorer.model.deepfm import DeepFm
from scorer.model.logistic_regression import LogisticRegression
from scorer.model.tower import Tower


def read_deepfm(
    package: ModelPackage, encoder: Encoder, table: NDArray[np.float32] | None = None
) -> DeepFm:
    """With the package's table, or one that is in memory already. Raises PackageError."""
    layout, version = encoder.layout, package.manifest.version
    _require(package, "deepfm", (TOWER_FILE, CALIBRATION_FILE))
    arrays = ModelArrays.from_files(dict(package.files), layout.rows, layout.fields, table)
    numbers = layout.request_number_count + layout.ad_number_count
    width = 1 + encoder.spec.embedding_dim
    if arrays.table.shape[1] != width or len(arrays.mean) != numbers:
        raise PackageError(
            f"package {version}: {arrays.table.shape[1]} columns and "
            f"{len(arrays.mean)} numbers, the features have {width} and {numbers}"
        )
    tower = Tower(package.files[TOWER_FILE], len(arrays.b1))
    nobody = encoder.request(UserRow(""), {})
    return DeepFm(layout, arrays, tower, _calibration(package), nobody)


def read_regression(package: ModelPackage, encoder: Encoder) -> LogisticRegression:
    """Raises PackageError."""
    spec, layout, version = encoder.spec, encoder.layout, package.manifest.version
    _require(package, "lr", (CALIBRATION_FILE,))
    rows = layout.rows + (spec.cross_buckets if spec.crosses else 0)
    arrays = ModelArrays.from_files(dict(package.files), rows, 0)
    numbers = layout.request_number_count + layout.ad_number_count
    if len(arrays.mean) != numbers:
        raise PackageError(
            f"package {version}: {len(arrays.mean)} numbers, the features have {numbers}"
        )
    return LogisticRegression(spec, layout, arrays, _calibration(package))


def _require(package: ModelPackage, architecture: str, files: tuple[str, ...]) -> None:
    manifest = package.manifest
    if manifest.architecture != architecture:
        raise PackageError(
            f"package {manifest.version}: architecture {manifest.architecture}, "
            f"{architecture} is expected here"
        )
    missing = [name for name in files if name not in package.files]
    if missing:
        raise PackageError(f"package {manifest.version}: {missing[0]} is not in the manifest")


def _calibration(package: ModelPackage) -> Calibration:
    try:
        return Calibration.model_validate_json(package.files[CALIBRATION_FILE])
    except ValidationError as error:
        raise PackageError(f"package {package.manifest.version}: calibration: {error}") from None
