"""Progressive validation: no prediction knows more than the stream had brought by then."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from bootstrap.encoded_log import EncodedLog, encode_log
from bootstrap.logged_rows import NO_CLICK
from bootstrap.training import TrainedPackage
from online_model.learning.learner import OnlineLearner
from online_model.quality import log_loss
from online_model.settings import OnlineModelSettings
from online_model.studies.delayed_stream import DelayedStream
from online_model.studies.progressive import ROWS_AT_A_TIME, validate_progressively
from schemas.features import FeatureSpec
from tests.bootstrap.small_logs import world_log

SHORT_MS, WINDOW_MS = 30_000, 3_600_000


@pytest.fixture(scope="module")
def later(spec: FeatureSpec) -> EncodedLog:
    return encode_log(spec, world_log(1500, seed=4), SHORT_MS)


@pytest.fixture
def learner(trained: TrainedPackage, spec: FeatureSpec) -> OnlineLearner:
    return OnlineLearner.from_package(trained.package, spec, OnlineModelSettings())


def served(
    learner: OnlineLearner, log: EncodedLog, stream: DelayedStream, lag_rows: int
) -> NDArray[np.float64]:
    return validate_progressively(learner, log.samples, log.positions, log.ts_ms, stream, lag_rows)


def stream_of(log: EncodedLog, click_ms: NDArray[np.int64], short_ms: int) -> DelayedStream:
    return DelayedStream.of(log.ts_ms, click_ms, short_ms, WINDOW_MS)


@pytest.mark.parametrize("short_ms", [0, SHORT_MS])
@pytest.mark.parametrize("lag_rows", [0, 1, 250])
def test_what_is_not_yet_known_changes_nothing(
    trained: TrainedPackage, spec: FeatureSpec, later: EncodedLog, short_ms: int, lag_rows: int
) -> None:
    """Labels that come at or after the time of a row do not change what it was served."""
    at = 7 * ROWS_AT_A_TIME
    stream = stream_of(later, later.click_ms, short_ms)
    future = stream.due_ms >= later.ts_ms[at]
    other = DelayedStream(
        stream.due_ms,
        stream.row,
        np.where(future, 1 - stream.label, stream.label),
        np.where(future, "POSITIVE", stream.kind),
    )
    first, second = (
        served(
            OnlineLearner.from_package(trained.package, spec, OnlineModelSettings()),
            later,
            each,
            lag_rows,
        )
        for each in (stream, other)
    )
    same = at + ROWS_AT_A_TIME
    assert np.array_equal(first[:same], second[:same])
    assert not np.array_equal(first[same + lag_rows :], second[same + lag_rows :])


def test_without_labels_it_serves_the_package(learner: OnlineLearner, later: EncodedLog) -> None:
    expected = learner.predict(later.samples)
    told: list[int] = []
    never = stream_of(later, np.full(len(later), NO_CLICK), short_ms=10**12)
    got = validate_progressively(
        learner, later.samples, later.positions, later.ts_ms, never, 0, progress=told.append
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert sum(told) == len(later)


def test_every_label_that_is_due_is_learnt_once(learner: OnlineLearner, later: EncodedLog) -> None:
    stream = stream_of(later, later.click_ms, SHORT_MS)
    served(learner, later, stream, lag_rows=0)
    due = stream.due_ms < later.ts_ms[len(later) - ROWS_AT_A_TIME]
    assert learner.samples_seen == int(due.sum())


def test_learning_follows_a_world_that_has_turned(
    learner: OnlineLearner, later: EncodedLog
) -> None:
    """Ads that were good are bad now: the frozen model stays wrong, the other one follows."""
    turned = np.where(later.labels > 0, NO_CLICK, later.ts_ms + 60_000)
    frozen = learner.predict(later.samples)
    live = served(learner, later, stream_of(later, turned, SHORT_MS), lag_rows=0)
    labels, end = 1 - later.labels, slice(1000, None)
    stale = roc_auc_score(labels[end], frozen[end])
    assert stale < 0.3
    assert roc_auc_score(labels[end], live[end]) > stale + 0.1
    assert log_loss(labels[end], live[end]) < log_loss(labels[end], frozen[end]) - 0.3
