"""What a load needs, from what one core does: plain arithmetic, each line a formula.

All rates are per second. ``Measured`` comes from this machine's benchmarks, ``Assumed`` from nobody
but you: they are printed with the table, since a wrong one makes a wrong table.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one core: CPU time of a scorer's request, and what the stream's parts take; of a scorer
    also what it holds beside each ad, of counters the rows that they write."""

    scorer_cpu_us: float
    scorer_fixed_bytes: float
    scorer_bytes_per_ad: float
    join_events: float
    counted_events: float
    rows_per_event: float
    learnt_samples: float


@dataclass(frozen=True, slots=True)
class Assumed:
    """About the load and about servers that are not ours."""

    shown_per_request: float = 3.0
    ctr: float = 0.02
    ads: int = 10_000_000
    users: int = 50_000_000
    negative_keep: float = 0.1
    attribution_hours: float = 24.0
    join_state_bytes: int = 430
    impression_bytes: int = 380
    click_bytes: int = 60
    sample_bytes: int = 420
    user_row_bytes: int = 1_000
    ad_row_bytes: int = 700
    redis_commands_per_core: int = 80_000
    cores_of_a_scorer: int = 8
    utilisation: float = 0.6


@dataclass(frozen=True, slots=True)
class Needs:
    """Of one load. ``learner_cores`` over 1 cannot be had: the learner is one task."""

    requests: int
    impressions: float
    scorer_cores: int
    scorer_pods: int
    scorer_gib_each: float
    events_cores: int
    learner_cores: float
    join_state_gib: float
    redis_cores: int
    redis_gib: float
    kafka_partitions: int
    kafka_mib: float

    @property
    def cores(self) -> int:
        """All together; of Kafka none are measured."""
        return sum(cores for _, cores in self._cores())

    def core_shares(self) -> list[tuple[str, float]]:
        """Who takes which share of them, the largest first."""
        return sorted(
            ((name, cores / self.cores) for name, cores in self._cores()), key=lambda one: -one[1]
        )

    def _cores(self) -> tuple[tuple[str, int], ...]:
        return (
            ("scorer", self.scorer_cores),
            ("events", self.events_cores),
            ("learner", math.ceil(self.learner_cores)),
            ("Redis", self.redis_cores),
        )


def needs(requests: int, measured: Measured, assumed: Assumed) -> Needs:
    """For so many requests a second."""
    impressions = requests * assumed.shown_per_request
    clicks = impressions * assumed.ctr
    events = impressions + clicks
    samples = impressions * assumed.negative_keep + clicks
    scorer_cores = math.ceil(requests * measured.scorer_cpu_us / 1e6 / assumed.utilisation)
    # Join and counters run in one job; each event is joined once and counted once.
    busy = events / measured.join_events + events / measured.counted_events
    events_cores = math.ceil(busy / assumed.utilisation)
    # One read a request; rows are written in pipelines.
    commands = requests + events * measured.rows_per_event
    redis_cores = math.ceil(commands / assumed.redis_commands_per_core / assumed.utilisation)
    redis_bytes = assumed.users * assumed.user_row_bytes + assumed.ads * assumed.ad_row_bytes
    kafka_bytes = (
        impressions * assumed.impression_bytes
        + clicks * assumed.click_bytes
        + samples * assumed.sample_bytes
    )
    kept_seconds = assumed.attribution_hours * 3_600
    return Needs(
        requests=requests,
        impressions=impressions,
        scorer_cores=scorer_cores,
        scorer_pods=max(2, math.ceil(scorer_cores / assumed.cores_of_a_scorer)),
        scorer_gib_each=(measured.scorer_fixed_bytes + assumed.ads * measured.scorer_bytes_per_ad)
        / 2**30,
        events_cores=events_cores,
        learner_cores=samples / measured.learnt_samples / assumed.utilisation,
        # An upper bound: what waits only for a correction takes less.
        join_state_gib=impressions * kept_seconds * assumed.join_state_bytes / 2**30,
        redis_cores=redis_cores,
        redis_gib=redis_bytes / 2**30,
        # A task reads whole partitions, and twice as many leave room to grow.
        kafka_partitions=max(2, 2 * events_cores),
        kafka_mib=kafka_bytes / 2**20,
    )
