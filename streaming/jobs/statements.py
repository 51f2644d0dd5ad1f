"""The SQL of the jobs: files of streaming/sql with ``$name`` for what settings decide."""

from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal

from streaming.settings import JobName


def statement(job: JobName | Literal["replay"], name: str, /, **values: object) -> str:
    """The text of a file; values end up inside quotes, so quotes in them are doubled."""
    text = (files("streaming") / "sql" / job / f"{name}.sql").read_text()
    return Template(text).substitute({k: str(v).replace("'", "''") for k, v in values.items()})


def lake_table(name: str, path: str) -> str:
    """A table of the lake: its own columns in the files that all of them have."""
    columns = statement(JobName.EVENTS, name)
    return columns + statement(JobName.EVENTS, "lake_files", path=path)


def seconds(milliseconds: int) -> str:
    """For an interval with the precision of a millisecond."""
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"


def folder_option(path: Path | None) -> str:
    """A folder that need not be given; Flink's processes run elsewhere, so it is absolute."""
    return "" if path is None else str(path.absolute())
