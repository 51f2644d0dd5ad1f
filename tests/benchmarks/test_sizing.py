"""Sizing: what must grow grows in proportion, and what does not stays."""

from dataclasses import replace

from tests.benchmarks.sizing.formulae import Assumed, Measured, needs

ONE_CORE = Measured(
    scorer_cpu_us=600,
    scorer_fixed_bytes=2**30,
    scorer_bytes_per_ad=400,
    join_events=25_000,
    counted_events=100_000,
    rows_per_event=1.5,
    learnt_samples=60_000,
)


def test_ten_thousand_requests_by_hand() -> None:
    size = needs(10_000, ONE_CORE, Assumed())
    assert size.scorer_cores == 10  # 10,000 × 600 µs = 6 cores, busy at 60 %
    assert size.scorer_pods == 2
    assert size.events_cores == 3  # 30,600 / 25,000 + 30,600 / 100,000 = 1.53, at 60 %
    # 10,000 reads and 30,600 × 1.5 rows of 80,000 commands a core, at 60 %
    assert size.redis_cores == 2
    assert round(size.learner_cores, 2) == 0.1  # 3,600 samples
    assert round(size.scorer_gib_each, 2) == 4.73
    assert size.cores == 10 + 3 + 1 + size.redis_cores
    assert size.core_shares()[0] == ("scorer", 10 / size.cores)


def test_the_load_scales_all_but_what_is_stored() -> None:
    small, large = needs(10_000, ONE_CORE, Assumed()), needs(1_000_000, ONE_CORE, Assumed())
    assert large.scorer_cores == 100 * small.scorer_cores
    assert large.redis_gib == small.redis_gib
    assert large.learner_cores > 1


def test_fewer_negatives_unburden_the_learner_alone() -> None:
    all_kept = needs(10_000, ONE_CORE, replace(Assumed(), negative_keep=1.0))
    some = needs(10_000, ONE_CORE, Assumed())
    assert all_kept.learner_cores > 5 * some.learner_cores
    assert all_kept.events_cores == some.events_cores
