"""``prune``: old savepoints, and checkpoints that nothing can go on from any more, are deleted."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from streaming.command_options import (
    ClusterOption,
    JobArgument,
    JsonOption,
    answer,
    errors,
    overrides,
    rest_of,
)
from streaming.flink_rest import FlinkUnreachableError
from streaming.flink_start import JobFailed
from streaming.recovery import complete, savepoints_of
from streaming.settings import JobName, StreamingSettings

KeepOption = Annotated[int, typer.Option("--keep", min=1, help="so many of the newest savepoints")]


def prune(
    job: JobArgument,
    keep: KeepOption = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a job's old savepoints, and what ended runs of it left behind as checkpoints.

    What the job would go on from stays, whatever it refers to, and what belongs to a running job.
    """
    with errors():
        settings = StreamingSettings.load(**overrides(cluster))
        checkpoints = settings.checkpoints(job)
        old = [
            *old_savepoints(job, settings, keep),
            *old_runs(checkpoints, _running(settings, job)),
        ]
        for folder in () if dry_run else old:
            _delete(folder)
    paths = [str(folder) for folder in old]
    answer({"job": job, "deleted": paths, "dry_run": dry_run}, "\n".join(paths), as_json)


def old_savepoints(job: JobName, settings: StreamingSettings, keep: int) -> list[Path]:
    """Complete savepoints, the newest first, but for the first ``keep``."""
    return [point.path for point in savepoints_of(job, settings)[keep:]]


def old_runs(checkpoints: Path, running: set[str]) -> list[Path]:
    """Folders of checkpoints, one of each run of a job, that are of no use.

    Kept are running ones, the one with the newest checkpoint, and those whose files are part of
    kept checkpoints: a run that took over a checkpoint refers to its files as long as they live.
    A run without a complete checkpoint is let alone, it may have begun just now.
    """
    runs = _newest_first(checkpoints.glob("*"))
    kept = [run for run in runs if run.name in running] + runs[:1]
    for run in kept:
        metadata = b"".join(_read(path) for path in run.glob("chk-*/_metadata"))
        kept += [r for r in runs if r not in kept and r.name.encode() in metadata]
    return [run for run in runs if run not in kept]


def _newest_first(runs: Iterable[Path]) -> list[Path]:
    """Those with a complete checkpoint."""
    ages = {
        run: [written for written, _ in complete(run.glob("chk-*/_metadata"), "CLAIM")]
        for run in runs
    }
    return sorted((run for run in ages if ages[run]), key=lambda run: -max(ages[run]))


def _read(path: Path) -> bytes:
    """Nothing of a checkpoint that the running job has replaced meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _delete(folder: Path) -> None:
    """What makes it look complete first: half a savepoint must not be taken for one."""
    try:
        (folder / "_metadata").unlink(missing_ok=True)
        shutil.rmtree(folder)
    except OSError as error:
        raise JobFailed(
            f"cannot delete {folder}: {error.strerror}; those before it are gone"
        ) from None


def _running(settings: StreamingSettings, job: JobName) -> set[str]:
    """Ids of the jobs that the cluster knows; an embedded one is away when its job is."""
    try:
        return {each.id for each in rest_of(settings, job).jobs() if not each.has_ended}
    except FlinkUnreachableError:
        if settings.cluster is not None:
            raise
        return set()
