"""Admission: bursts are taken, a standing queue is kept short, and nothing is forgotten."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scorer.api.admission import BURST, CALM_SECONDS, Admission, CallLimit, RequestPool
from tests.scorer.running_scorer import RunningScorer, eventually, refusal

WORKERS, LARGEST, LONGEST_WAIT = 2, 50, 0.010


class Line:
    """Requests that end one after the other, ``seconds_each`` apart, on a clock of its own."""

    def __init__(self, seconds_each: float, longest_wait: float = LONGEST_WAIT) -> None:
        self.admission = Admission(WORKERS, LARGEST, longest_wait)
        self.seconds_each = seconds_each
        self.now = 100.0
        self.ends: list[float] = []

    def arrive(self, now: float) -> float | None:
        """How long the request takes; None if it is refused."""
        while self.ends and self.ends[0] <= now:
            self.admission.ends(self.ends.pop(0))
        if not self.admission.admits(now):
            return None
        self.admission.begins(now)
        end = max(now, self.ends[-1] if self.ends else now) + self.seconds_each
        self.ends.append(end)
        return end - now

    def pause(self, seconds: float) -> None:
        """What is under way ends so much later, as if there were one more request."""
        self.admission.begins(self.now)
        self.ends.append(self.now + seconds)

    def arrivals(self, count: int, per_second: float) -> list[float | None]:
        taken = []
        for _ in range(count):
            self.now += 1 / per_second
            taken.append(self.arrive(self.now))
        return taken


def test_a_burst_is_taken_whole() -> None:
    line = Line(seconds_each=0.001)
    line.arrivals(100, per_second=500)
    assert None not in line.arrivals(LARGEST - WORKERS, per_second=20_000)


def test_below_capacity_nothing_is_refused() -> None:
    assert None not in Line(seconds_each=0.001).arrivals(5_000, per_second=900)


def test_requests_that_happen_to_come_together_are_no_overload() -> None:
    """At random times, four fifths of what can be answered, and a wait for two at most."""
    line, random = Line(seconds_each=0.001, longest_wait=0.002), np.random.default_rng(1)
    answers = []
    for gap in random.exponential(1 / 800, 20_000):
        line.now += gap
        answers.append(line.arrive(line.now))
    assert answers.count(None) < 0.02 * len(answers)


def test_twice_the_capacity_leaves_the_goodput_and_a_short_wait() -> None:
    line = Line(seconds_each=0.001)
    answers = line.arrivals(20_000, per_second=2_000)
    taken = [seconds for seconds in answers if seconds is not None]
    assert len(taken) >= 0.97 * 10_000
    longest = LONGEST_WAIT + WORKERS * line.seconds_each + 1e-9
    late = [seconds for seconds in taken if seconds > longest]
    # Those at the beginning, which could be a burst, and no one later.
    assert 0 < len(late) <= BURST
    assert max(seconds or 0 for seconds in answers[400:]) <= longest


def test_a_pause_of_the_machine_is_no_overload() -> None:
    """Again and again all stands still for a fifth of a second, and what waited is answered."""
    line = Line(seconds_each=0.001)
    for _ in range(20):
        assert None not in line.arrivals(200, per_second=150)
        line.pause(0.2)


def test_idle_time_is_no_time_of_a_request() -> None:
    """After an hour without any, six come at once, and then fewer than can end."""
    line = Line(seconds_each=0.001)
    line.arrive(line.now)
    line.now += 3_600
    assert None not in line.arrivals(6, per_second=1e9)
    assert None not in line.arrivals(1_000, per_second=990)


def test_bursts_are_taken_again_after_the_overload() -> None:
    line = Line(seconds_each=0.001)
    line.arrivals(2_000, per_second=2_000)
    line.now += CALM_SECONDS
    line.arrivals(10, per_second=500)
    assert None not in line.arrivals(30, per_second=20_000)


def test_an_idle_thread_now_and_then_lets_no_late_ones_in() -> None:
    """Twice what can be answered, with gaps that leave one of the threads without work."""
    line = Line(seconds_each=0.001)
    line.arrivals(400, per_second=2_000)
    for _ in range(100):
        line.now = max(line.now, line.ends[-1] - 0.05 * line.seconds_each)
        answers = line.arrivals(60, per_second=2_000)
        longest = LONGEST_WAIT + WORKERS * line.seconds_each + 1e-9
        assert max(seconds or 0.0 for seconds in answers) <= longest


def test_slow_requests_shorten_the_queue() -> None:
    line = Line(seconds_each=0.004)
    line.arrivals(4_000, per_second=500)
    taken = [seconds for seconds in line.arrivals(1_000, per_second=500) if seconds is not None]
    assert max(taken) <= LONGEST_WAIT + WORKERS * line.seconds_each + 1e-9


def test_calls_that_fail_make_room_again() -> None:
    def fail() -> None:
        raise RuntimeError("failed")

    with RequestPool(workers=1, largest=2, longest_seconds=LONGEST_WAIT) as pool:
        for _ in range(5):
            assert pool.admits()
            assert pool.submit(fail).exception() is not None


def test_a_limit_counts_calls_and_knows_of_refused_ones() -> None:
    """gRPC asks ``calls >= limit``, then for the handler, and only then for the verdict."""
    limit, calls = CallLimit(3), 2
    verdict = calls >= limit
    assert not verdict
    limit.refused = True
    assert verdict
    assert not calls >= limit
    assert calls + 1 >= limit


def test_more_than_fits_is_refused_while_others_wait(redis_url: str, scorer: RunningScorer) -> None:
    """With room for two requests, both waiting, a third is refused, and health is not."""
    with RunningScorer(redis_url, {"max_in_flight": 2, "threads": 2}) as small:
        small.wait_for_model("v1")
        ranker = small.process.ranker
        entered, release = threading.Semaphore(0), threading.Event()
        plain_rank = ranker.rank

        def waiting_rank(*arguments: object) -> object:
            entered.release()
            release.wait(30)
            return plain_rank(*arguments)  # type: ignore[arg-type]

        ranker.rank = waiting_rank  # type: ignore[assignment, method-assign]
        with ThreadPoolExecutor(2) as clients:
            waiting = [clients.submit(small.rank, limit=1) for _ in range(2)]
            for _ in waiting:
                assert entered.acquire(timeout=30)
            code, message = refusal(lambda: small.rank(limit=1))
            assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert message == "Concurrent RPC limit exceeded!", "gRPC's own, see the runbook"
            health = health_pb2_grpc.HealthStub(small.channel).Check.future(
                health_pb2.HealthCheckRequest()
            )
            release.set()
            assert all(len(answer.result().ads) == 1 for answer in waiting)
            assert health.result().status == health_pb2.HealthCheckResponse.SERVING
        labels = {"method": "Rank", "code": "RESOURCE_EXHAUSTED", "rung": ""}
        assert small.metric("ctr_scorer_requests_total", **labels) == 1
        eventually(lambda: len(small.score("ad-1").ads) == 1)
