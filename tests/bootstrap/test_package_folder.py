"""Packages in folders: bit for bit, all or nothing."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from bootstrap.package_folder import MANIFEST_FILE, read_package, write_package
from bootstrap.training import TrainedPackage
from schemas.model_package import ModelPackage, PackageError


def test_what_is_read_is_what_was_written(trained: TrainedPackage, tmp_path: Path) -> None:
    folder = write_package(trained.package, tmp_path / "models")
    assert folder == tmp_path / "models" / trained.package.manifest.version
    assert read_package(folder) == trained.package
    with pytest.raises(PackageError, match="is there already"):
        write_package(trained.package, tmp_path / "models")


def test_damage_is_named(trained: TrainedPackage, tmp_path: Path) -> None:
    folder = write_package(trained.package, tmp_path)
    table = folder / "table.npy"
    table.write_bytes(table.read_bytes()[:-1] + b"\xff")
    with pytest.raises(PackageError, match=r"table\.npy is damaged"):
        read_package(folder)
    table.unlink()
    with pytest.raises(PackageError, match=r"no package: .*table\.npy"):
        read_package(folder)
    (folder / MANIFEST_FILE).write_text("{}")
    with pytest.raises(PackageError, match="no package"):
        read_package(folder)


def _killed_while_writing(package: ModelPackage, parent: Path) -> None:
    """Dies by SIGKILL as soon as the manifest, which is last, is to be made durable."""
    fsync = os.fsync

    def die(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(MANIFEST_FILE):
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    setattr(os, "fsync", die)  # noqa: B010
    write_package(package, parent)


def test_a_killed_writer_leaves_nothing_that_looks_whole(
    trained: TrainedPackage, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    writer = context.Process(target=_killed_while_writing, args=(trained.package, tmp_path))
    writer.start()
    writer.join(60)
    assert writer.exitcode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    with pytest.raises(PackageError, match="was not finished"):
        read_package(left)
    assert read_package(write_package(trained.package, tmp_path)) == trained.package
    assert not left.exists()
