"""Whether a job restores a savepoint, judged without Flink; the real thing is in jobs/."""

from dataclasses import replace

import pytest

from streaming.upgrade import GraphOperator, SavedOperator, SavedState, judge

JOIN = GraphOperator("id-of-join", "label-join", "label-join", 128)
SINK = GraphOperator("id-of-sink", "redis", "redis", 128)
PENDING = SavedState("pending", "KEY_VALUE", "1")
SAVED = SavedOperator(
    id=JOIN.id,
    uid=JOIN.uid,
    name=JOIN.name,
    max_parallelism=128,
    bytes=700,
    has_state=True,
    is_finished=False,
    states=(PENDING,),
)
KNOWN = {"label-join": {"pending": "1"}, "redis": {}}


def test_a_savepoint_of_the_same_job_is_restored() -> None:
    report = judge([JOIN, SINK], [SAVED], KNOWN)
    assert report.restored == (SAVED,)
    assert report.reasons(allow_dropped_state=False) == []
    assert (report.dropped, report.begins_empty, report.unknown) == ((), (), ())


def test_state_without_an_operator_is_refused_unless_it_may_be_dropped() -> None:
    report = judge([SINK], [SAVED], {"redis": {}})
    (reason,) = report.reasons(allow_dropped_state=False)
    assert "label-join (700 bytes)" in reason
    assert "--allow-dropped-state" in reason
    assert report.reasons(allow_dropped_state=True) == []


@pytest.mark.parametrize(
    ("saved", "reason"),
    [
        (replace(SAVED, max_parallelism=64), "64 in the savepoint and 128 in the job"),
        (replace(SAVED, is_finished=True), "the job was drained"),
    ],
)
def test_what_flink_would_not_restore_is_refused_always(saved: SavedOperator, reason: str) -> None:
    (said,) = judge([JOIN], [saved], KNOWN).reasons(allow_dropped_state=True)
    assert said.startswith("label-join: ")
    assert reason in said


def test_an_operator_that_had_state_and_finds_none_is_named() -> None:
    assert judge([JOIN], [], KNOWN).begins_empty == ("label-join",)


def test_states_in_another_form_are_known_only_when_tasks_run() -> None:
    other = replace(SAVED, states=(replace(PENDING, schema="2"), SavedState("old", "OPERATOR", "")))
    report = judge([JOIN], [other], KNOWN)
    assert report.unknown == (
        "label-join: whether Flink can convert its state pending to the new form",
        "label-join: whether anybody reads its state old",
    )
    assert report.reasons(allow_dropped_state=False) == []


def test_an_operator_without_a_uid_is_known_by_its_name() -> None:
    assert replace(SAVED, uid=None).label == "label-join"
