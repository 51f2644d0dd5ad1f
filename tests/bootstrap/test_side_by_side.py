"""Each impression counts once, with what is known of it in the end."""

from dataclasses import replace

import numpy as np
import pytest

from bootstrap.side_by_side import SideBySide
from online_model.learning.learn_report import LearnReport
from online_model.quality import log_loss, pcoc


def report(labels: list[int], predicted: list[float], first: list[bool]) -> LearnReport:
    return LearnReport(
        ids=np.zeros(0, np.int32),
        values=np.zeros((0, 1), np.float32),
        predicted=np.array(predicted),
        labels=np.array(labels, np.float32),
        weights=np.ones(len(labels), np.float32),
        first=np.array(first),
    )


def test_a_late_click_takes_its_negative_back() -> None:
    """Eight impressions, of two clicks in them the second came late."""
    predicted = [0.1 * number for number in range(1, 9)]
    labels, first = [1, *[0] * 7, 1], [*[True] * 8, False]
    told = report(labels, [*predicted, predicted[4]], first)
    other = [0.9 - 0.1 * number for number in range(8)]
    compared = SideBySide()
    compared.add(own=told, live=report(labels, [*other, other[4]], first))
    found = compared.metrics()
    p, q, known = np.array(predicted), np.array(other), np.array([1, 0, 0, 0, 1, 0, 0, 0])
    assert (found["rows"], found["clicks"]) == (8, 2)
    assert found["log_loss"] == pytest.approx(log_loss(known, p))
    assert found["pcoc"] == pytest.approx(pcoc(known, p))
    assert found["pcoc"] == pytest.approx(told.predicted_sum / told.observed_sum)
    assert found["live_log_loss"] == pytest.approx(log_loss(known, q))
    assert found["live_pcoc"] == pytest.approx(pcoc(known, q))
    # Of the six without a click, own ranks three below one click and none below the other.
    assert found["auc"] == pytest.approx(3 / 12)
    assert found["live_auc"] == pytest.approx(9 / 12)


def test_the_last_labels_are_judged_and_none_tell_nothing() -> None:
    compared = SideBySide()
    assert compared.metrics() == {}
    for label in (0, 1):
        told = report([label, 0], [0.5, 0.2], [True, True])
        compared.add(own=told, live=told)
    assert compared.metrics(share=0.5)["clicks"] == 1
    assert compared.metrics(share=0.5)["rows"] == 2


def test_rows_that_changed_are_not_kept() -> None:
    """They are megabytes of each batch."""
    compared = SideBySide()
    told = replace(report([1, 0], [0.5, 0.2], [True, True]), values=np.ones((9, 5), np.float32))
    compared.add(own=told, live=told)
    for kept in (*compared.own, *compared.live):
        assert kept.values.base is None
        assert not kept.values.size
    assert told.values.size
