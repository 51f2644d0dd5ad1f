"""Uids of operators that SQL makes, so that an added operator does not rename all after it.

Flink numbers them through, all tables of a process together: ``24_window-aggregate``. After one
more projection before it, it would be ``25_window-aggregate``, and its state would be lost. Here
the table names a source and a sink, and others are counted by kind: ``window-aggregate-2``.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pyflink.datastream import StreamExecutionEnvironment
from pyflink.util.java_utils import get_field_value

_NUMBERED = re.compile(r"(?P<number>\d+)_(?P<kind>.+)")
#: ``KafkaSource-default_catalog.default_database.clicks``, ``ticks[68]``, ``samples_topic[49]``.
_TABLE = re.compile(r"(?:.*\.)?(?P<table>\w+)(?:\[\d+\].*)?")
_NAMED_BY_TABLE = {"kafka": "source", "source": "source", "sink": "sink"}


def give_stable_uids(environment: StreamExecutionEnvironment) -> None:
    """Rename in place; uids that a job gave itself stay. Two of one name are an error of Flink."""
    seen: Counter[str] = Counter()
    for _, kind, transformation in sorted(_numbered(environment), key=lambda item: item[:2]):
        if kind in _NAMED_BY_TABLE:
            table = _TABLE.fullmatch(transformation.getName())
            assert table is not None, transformation.getName()
            transformation.setUid(f"{table['table']}-{_NAMED_BY_TABLE[kind]}")
        else:
            seen[kind] += 1
            transformation.setUid(f"{kind}-{seen[kind]}")


def _numbered(environment: StreamExecutionEnvironment) -> Iterator[tuple[int, str, Any]]:
    roots = get_field_value(environment._j_stream_execution_environment, "transformations")
    by_id = {
        transformation.getId(): transformation
        for root in roots
        for transformation in root.getTransitivePredecessors()
    }
    for transformation in by_id.values():
        numbered = _NUMBERED.fullmatch(transformation.getUid() or "")
        if numbered is not None:
            yield int(numbered["number"]), numbered["kind"], transformation
