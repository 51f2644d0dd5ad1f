"""A model package: a manifest and files with checksums, stored as chunks.

I/O is injected: the functions say what to write and take what was read.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas import redis_keys

#: Redis does one thing at a time: while it copies 4 MB for who loads a model, users wait for 5 ms.
#: With what it puts before a value, 256 KB: a size that its allocator has, the next one is 320 KB.
CHUNK_BYTES = (256 << 10) - 64
#: Of packages whose manifest does not say it.
_FORMER_CHUNK_BYTES = 4 << 20

TABLE_FILE = "table.npy"  # float32 [rows, 1 + dim]; column 0 is the first-order weight
DENSE_FILE = "dense.npz"  # w1 [inputs, h1], b1 [h1], number_weights [numbers], bias []
TOWER_FILE = "tower.onnx"  # hidden float32 [n, h1], before its activation -> logit [n]
STANDARDISATION_FILE = "standardisation.npz"  # mean, std [numbers]
CALIBRATION_FILE = "calibration.json"  # see schemas/calibration.py
DELAYED_FEEDBACK_FILE = "delayed_feedback.json"  # late_click_share

REFERENCE_FILE = "reference.json"  # see schemas/feature_reference.py


class PackageError(ValueError):
    """A package that is incomplete, damaged, or made for other features."""


class FileEntry(BaseModel):
    """Size and checksum of one file, and the size of the chunks that it is stored in."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    chunk_bytes: int = Field(_FORMER_CHUNK_BYTES, ge=1 << 16)

    def chunk_keys(self, model: str, version: str, name: str) -> Iterator[str]:
        """Where its chunks are, as the file ``name`` of a version; at least one."""
        for index in range(max(1, -(-self.size_bytes // self.chunk_bytes))):
            yield redis_keys.model_chunk(model, version, name, index)


class Manifest(BaseModel):
    """What a package is. Versions sort by time."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str
    version: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    parent: str | None = None
    kind: Literal["FULL", "DENSE"] = "FULL"
    architecture: Literal["deepfm", "lr"] = "deepfm"
    created_ms: int
    feature_fingerprint: str
    offsets: dict[str, int] = Field(
        default_factory=dict, description="topic-partition -> next offset that was not learnt"
    )
    watermark_ms: int = 0
    metrics: dict[str, float] = Field(default_factory=dict)
    files: dict[str, FileEntry]


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A manifest with the files that it lists, checked."""

    manifest: Manifest
    files: Mapping[str, bytes]

    @classmethod
    def checked(cls, manifest: Manifest, files: Mapping[str, bytes]) -> "ModelPackage":
        """Raises PackageError if a file is missing or is not the one of the manifest."""
        for name, entry in manifest.files.items():
            data = files.get(name)
            if data is None:
                raise PackageError(f"package {manifest.version}: {name} is missing")
            if len(data) != entry.size_bytes or sha256(data) != entry.sha256:
                raise PackageError(f"package {manifest.version}: {name} is damaged (SHA-256)")
        return cls(manifest, {name: files[name] for name in manifest.files})

    def writes(self) -> Iterator[tuple[str, bytes]]:
        """Keys and values to store, the manifest last; ``current`` is the publisher's to switch."""
        model, version = self.manifest.model, self.manifest.version
        for name, data in self.files.items():
            entry = self.manifest.files[name]
            for index, key in enumerate(entry.chunk_keys(model, version, name)):
                yield key, data[index * entry.chunk_bytes : (index + 1) * entry.chunk_bytes]
        yield redis_keys.model_manifest(model, version), self.manifest.model_dump_json().encode()

    def require_fingerprint(self, fingerprint: str) -> None:
        """Raises PackageError if the package was made for another feature declaration."""
        if self.manifest.feature_fingerprint != fingerprint:
            raise PackageError(
                f"package {self.manifest.version}: made for features "
                f"{self.manifest.feature_fingerprint}, this process has {fingerprint}"
            )


def sha256(data: bytes) -> str:
    """Checksum as the manifest has it."""
    return hashlib.sha256(data).hexdigest()


def file_entries(files: Mapping[str, bytes]) -> dict[str, FileEntry]:
    """Entries of a manifest."""
    return {
        name: FileEntry(size_bytes=len(data), sha256=sha256(data), chunk_bytes=CHUNK_BYTES)
        for name, data in files.items()
    }


def fetch(
    model: str, version: str, get: Callable[[Sequence[str]], Sequence[bytes | None]]
) -> ModelPackage:
    """Read a package; ``get`` returns the values of keys, as Redis MGET does.

    Raises PackageError if anything is missing, damaged or unreadable.
    """
    raw = get([redis_keys.model_manifest(model, version)])[0]
    if raw is None:
        raise PackageError(f"package {version} of {model}: no manifest")
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise PackageError(f"package {version} of {model}: manifest: {error}") from None
    if (manifest.model, manifest.version) != (model, version):
        raise PackageError(
            f"package {version} of {model}: the manifest is that of {manifest.version} of "
            f"{manifest.model}"
        )
    files = {name: fetch_file(manifest, name, get) for name in manifest.files}
    return ModelPackage.checked(manifest, files)


def fetch_file(
    manifest: Manifest, name: str, get: Callable[[Sequence[str]], Sequence[bytes | None]]
) -> bytes:
    """One file of a package, unchecked; ``get`` as in :func:`fetch`. Raises PackageError."""
    model, version = manifest.model, manifest.version
    chunks = []
    for key in manifest.files[name].chunk_keys(model, version, name):
        chunk = get([key])[0]
        if chunk is None:
            raise PackageError(f"package {version}: {key} is missing")
        chunks.append(chunk)
    return b"".join(chunks)
