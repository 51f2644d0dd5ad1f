"""Whether a job restores a savepoint: its operators and their states against those of the job."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GraphOperator:
    """An operator of a job; ``id`` is Flink's hash of the uid, under which state is looked up."""

    id: str
    uid: str | None
    name: str
    max_parallelism: int


@dataclass(frozen=True, slots=True)
class SavedState:
    """A state by name; ``kind`` is OPERATOR, KEY_VALUE or PRIORITY_QUEUE (timers), ``schema`` a
    digest of its serializers, empty where Flink does not tell before it reads."""

    name: str
    kind: str
    schema: str


@dataclass(frozen=True, slots=True)
class SavedOperator:
    """An operator in a savepoint; ``is_finished`` if its input had ended, as after a drain."""

    id: str
    uid: str | None
    name: str
    max_parallelism: int
    bytes: int
    has_state: bool
    is_finished: bool
    states: tuple[SavedState, ...]

    @property
    def label(self) -> str:
        """How people know it."""
        return self.uid or self.name or self.id


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """``dropped`` has no operator in the job any more; ``refusals`` are reasons why Flink would not
    restore the rest; ``unknown`` is what only running tasks can tell; ``begins_empty`` are uids of
    the job that had state and find none."""

    restored: tuple[SavedOperator, ...]
    dropped: tuple[SavedOperator, ...]
    begins_empty: tuple[str, ...]
    refusals: tuple[str, ...]
    unknown: tuple[str, ...]

    def reasons(self, allow_dropped_state: bool) -> list[str]:
        """Why the job must not be started from that savepoint; empty if it may."""
        found = list(self.refusals)
        if self.dropped and not allow_dropped_state:
            labels = ", ".join(f"{each.label} ({each.bytes} bytes)" for each in self.dropped)
            found.append(f"state would be dropped: {labels}; --allow-dropped-state accepts that")
        return found


StatesByUid = Mapping[str, Mapping[str, str]]


def judge(
    graph: Iterable[GraphOperator], saved: Iterable[SavedOperator], known: StatesByUid
) -> UpgradeReport:
    """The rules by which Flink maps state to operators, without running anything.

    ``known`` is what states the operators of this release write: uid to name to schema.
    """
    by_id = {operator.id: operator for operator in graph}
    saved = tuple(saved)
    restored = tuple(each for each in saved if each.id in by_id)
    with_state = {uid for uid, states in known.items() if states}
    return UpgradeReport(
        restored=restored,
        dropped=tuple(each for each in saved if each.id not in by_id),
        begins_empty=tuple(sorted(with_state - {each.uid for each in restored})),
        refusals=tuple(text for each in saved for text in _refusals(each, by_id.get(each.id))),
        unknown=tuple(text for each in restored for text in _unknown(each, known)),
    )


def _refusals(saved: SavedOperator, operator: GraphOperator | None) -> Iterator[str]:
    if saved.is_finished:
        yield f"{saved.label}: the job was drained, its event time has ended"
    if operator is not None and operator.max_parallelism != saved.max_parallelism:
        yield (
            f"{saved.label}: max parallelism is {saved.max_parallelism} in the savepoint and "
            f"{operator.max_parallelism} in the job"
        )


def _unknown(saved: SavedOperator, known: StatesByUid) -> Iterator[str]:
    schemas = known.get(saved.uid or "", {})
    for state in saved.states:
        if state.name not in schemas:
            yield f"{saved.label}: whether anybody reads its state {state.name}"
        elif schemas[state.name] != state.schema:
            yield f"{saved.label}: whether Flink can convert its state {state.name} to the new form"
