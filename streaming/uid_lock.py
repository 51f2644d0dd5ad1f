"""The uids of both jobs and the states behind them, as a file that is kept in git.

State in a savepoint is found by uid: one that changes by accident is state that is lost.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from streaming.settings import JobName
from streaming.upgrade import GraphOperator, SavedOperator

FILE = Path(__file__).parent / "jobs" / "uids.lock.json"
#: Kinds of SQL operators that never have state; the rest of their uid is a number.
STATELESS = ("calc", "constraint-validator", "correlate", "discarding-sink", "external-datastream")

#: uid -> name of a state -> digest of its serializers, empty where Flink does not tell.
States = dict[str, dict[str, str]]


def states_of(saved: Iterable[SavedOperator]) -> States:
    """The states of a savepoint's operators."""
    return {
        each.label: {state.name: state.schema for state in each.states}
        for each in saved
        if each.states
    }


def read(job: JobName, file: Path = FILE) -> States:
    """States by uid, empty for an operator without. Raises OSError or ValueError."""
    locked: States = json.loads(file.read_text())[job]
    return locked


def write(jobs: Mapping[JobName, States], file: Path = FILE) -> None:
    """Write the file anew, in a stable order."""
    file.write_text(json.dumps(jobs, indent=2, sort_keys=True) + "\n")


def of_graph(graph: Iterable[GraphOperator], known: States) -> States:
    """What to lock of a job: its uids with what is known of their states."""
    uids = {operator.uid for operator in graph if operator.uid and not _is_stateless(operator.uid)}
    return {uid: known.get(uid, {}) for uid in sorted(uids)}


def differences(locked: States, graph: Iterable[GraphOperator]) -> list[str]:
    """What a change of the job means for the savepoints of before, a sentence each."""
    now = of_graph(graph, {})
    return [
        f"{uid} is gone: a savepoint's state of it would be dropped "
        f"({', '.join(sorted(locked[uid])) or 'none was seen'})"
        for uid in sorted(locked.keys() - now.keys())
    ] + [f"{uid} is new: it begins without state" for uid in sorted(now.keys() - locked.keys())]


def _is_stateless(uid: str) -> bool:
    kind, _, number = uid.rpartition("-")
    return kind in STATELESS and number.isdecimal()
