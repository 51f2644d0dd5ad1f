"""Packages as folders: one file for each of the package's, and ``manifest.json``.

Files are written beside their place and the folder is renamed into it, so that a reader sees all
of a package or none, whenever the writer is killed.
"""

import os
import shutil
from pathlib import Path

from pydantic import ValidationError

from schemas.model_package import Manifest, ModelPackage, PackageError

MANIFEST_FILE = "manifest.json"
_UNFINISHED = ".unfinished"


def write_package(package: ModelPackage, parent: Path) -> Path:
    """The package's folder, named for its version. Raises PackageError if it is there already."""
    folder = parent / package.manifest.version
    if folder.exists():
        raise PackageError(f"{folder}: is there already")
    aside = parent / f"{folder.name}{_UNFINISHED}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, data in package.files.items():
        _write(aside / name, data)
    _write(aside / MANIFEST_FILE, package.manifest.model_dump_json(indent=1).encode())
    _sync(aside)
    aside.rename(folder)
    _sync(parent)
    return folder


def read_package(folder: Path) -> ModelPackage:
    """Bit for bit what was written. Raises PackageError if anything is missing or damaged."""
    if folder.name.endswith(_UNFINISHED):
        raise PackageError(f"{folder}: was not finished")
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        files = {name: (folder / name).read_bytes() for name in manifest.files}
    except (OSError, ValidationError) as error:
        raise PackageError(f"{folder}: no package: {error}") from None
    return ModelPackage.checked(manifest, files)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
