"""What the benchmark of the learner's state says of what it has seen."""

from tests.benchmarks.bench_state import Checkpoint, bytes_per_second


def test_bytes_are_those_of_the_seconds_between_the_checkpoints() -> None:
    """A second of traffic every 200 ms, checkpoints every 1,000: five seconds in each."""
    carrying, *later = [Checkpoint(at, 500, 9_000, 0.1) for at in (2_000, 3_000, 4_000)]
    assert bytes_per_second(carrying, later, range(100, 6_000, 200)) == 100
