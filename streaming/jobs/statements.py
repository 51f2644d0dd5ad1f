"""The SQL of the jobs: files of streaming/sql with ``$name`` for what settings decide."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal

from schemas.addresses import KafkaAddress
from stores.kafka_client import java_properties
from streaming.settings import JobName


def statement(job: JobName | Literal["replay"], name: str, /, **values: object) -> str:
    """The text of a file; values end up inside quotes, so quotes in them are doubled.

    A mapping becomes options of a table.
    """
    text = (files("streaming") / "sql" / job / f"{name}.sql").read_text()
    return Template(text).substitute({key: _filled(value) for key, value in values.items()})


def _filled(value: object) -> str:
    if isinstance(value, Mapping):
        options = (f"'{_filled(key)}' = '{_filled(each)}'" for key, each in value.items())
        return ",\n  ".join(options)
    return str(value).replace("'", "''")


def kafka_options(address: KafkaAddress | str) -> dict[str, str]:
    """Options of a table in Kafka that say where it is."""
    return {f"properties.{key}": value for key, value in java_properties(address).items()}


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
