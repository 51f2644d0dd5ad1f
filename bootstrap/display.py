"""What the commands show: progress on stderr, tables on stdout."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from bootstrap.training import TrainedPackage
from online_model.progress import rows_progress as rows_progress
from schemas.learner_status import LearnerStatus
from stores.model_versions import PublishedVersion


def show_trained(trained: Sequence[TrainedPackage]) -> None:
    """One line for each model."""
    table = Table("model", "version", "rows", "log loss", "AUC", "PCOC", "seconds", title="trained")
    for item in trained:
        manifest, measured = item.package.manifest, item.validation
        table.add_row(
            manifest.model,
            manifest.version,
            f"{item.rows:,}",
            f"{measured.log_loss:.4f}",
            _number(measured.auc, 4),
            _number(measured.pcoc, 3),
            f"{item.seconds:.1f}",
        )
    Console().print(table)


def show_versions(
    model: str, versions: Sequence[PublishedVersion], learner: LearnerStatus | None
) -> None:
    """One line for each version, the newest last, and what goes on with its learner."""
    table = Table(title=model)
    # Whole, however narrow the terminal: `rollback --to` takes it.
    table.add_column("version", no_wrap=True, min_width=len("20260101T000000.000Z (current)"))
    for column in ("published", "parent", "log loss", "AUC", "PCOC", "features"):
        table.add_column(column)
    for item in versions:
        manifest = item.manifest
        table.add_row(
            f"{item.version}{' (current)' if item.current else ''}",
            _time(item.published_ms),
            "lost" if manifest is None else manifest.parent or "",
            _number(None if manifest is None else manifest.metrics.get("log_loss"), 4),
            _number(None if manifest is None else manifest.metrics.get("auc"), 4),
            _number(None if manifest is None else manifest.metrics.get("pcoc"), 3),
            "" if manifest is None else manifest.feature_fingerprint,
        )
    Console().print(table)
    for item in versions:
        if item.withdrawn is not None:
            Console().print(f"{item.version} was rolled back: {item.withdrawn}")
    if learner is None:
        return
    if learner.withheld_since_ms:
        since = _time(learner.withheld_since_ms)
        Console().print(f"labels since {since} contradict {learner.base_version}: not learnt")
    for what, at_ms in learner.drift_ms.items():
        Console().print(f"{what} changed at {_time(at_ms)}")


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def show_report(title: str, report: Mapping[str, Any]) -> None:
    """One line for each value, and a table of its own for each list of rows."""
    table = Table("what", "value", title=title)
    for name, value in report.items():
        if not isinstance(value, list):
            table.add_row(name, _cell(value))
    Console().print(table)
    for name, rows in report.items():
        if isinstance(rows, list) and rows:
            below = Table(*rows[0], title=name.replace("_", " "))
            for row in rows:
                below.add_row(*map(_cell, row.values()))
            Console().print(below)


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "–" if value is None else str(value)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
