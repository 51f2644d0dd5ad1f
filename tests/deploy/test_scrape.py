"""Prometheus text to numbers, against prometheus_client itself and numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from deploy.scrape import Scrape
from schemas import metric_names as names
from schemas import metrics


def _scrape(values: list[float]) -> Scrape:
    registry = CollectorRegistry()
    histogram = metrics.histogram(names.CLICK_TO_SCORE_SECONDS, names.FRESHNESS_BUCKETS, registry)
    for value in values:
        histogram.observe(value)
    counter = metrics.counter(names.SAMPLES_LEARNT, registry)
    counter.labels("POSITIVE").inc(3)
    counter.labels("NEGATIVE").inc(4)
    return Scrape.parse(generate_latest(registry).decode())


@given(
    values=st.lists(st.floats(0.001, 3000.0), min_size=1, max_size=200),
    q=st.floats(0.01, 1.0),
)
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], q: float) -> None:
    histogram = _scrape(values).histogram(names.CLICK_TO_SCORE_SECONDS)
    assert histogram is not None
    assert histogram.total == len(values)
    got = histogram.quantile(q)
    true = float(np.quantile(values, q, method="inverted_cdf"))
    edges = np.array([0.0, *names.FRESHNESS_BUCKETS])
    bucket = int(np.searchsorted(edges, true))
    assert got is not None
    assert edges[bucket - 1] <= got <= edges[bucket]


def test_beyond_the_last_bound_is_infinite() -> None:
    histogram = _scrape([1.0, 10_000.0]).histogram(names.CLICK_TO_SCORE_SECONDS)
    assert histogram is not None
    assert histogram.quantile(0.99) == float("inf")


def test_nothing_is_none() -> None:
    scrape = _scrape([])
    histogram = scrape.histogram(names.CLICK_TO_SCORE_SECONDS)
    assert histogram is not None
    assert histogram.quantile(0.5) is None
    assert Scrape().histogram(names.CLICK_TO_SCORE_SECONDS) is None
    assert Scrape().value(names.SAMPLES_LEARNT) is None


def test_counters_by_label() -> None:
    scrape = _scrape([])
    assert scrape.value(names.SAMPLES_LEARNT) == 7
    assert scrape.value(names.SAMPLES_LEARNT, kind="POSITIVE") == 3
    assert scrape.value(names.SAMPLES_LEARNT, kind="NEGATIVE") == 4


def test_a_process_that_does_not_answer_is_an_empty_scrape() -> None:
    assert Scrape.of(1) == Scrape()
