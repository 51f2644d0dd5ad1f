"""Two TaskManagers and two scorers, and a rescale of the events job over both: nothing is lost.

`make test-scale` runs it: too long for the default run.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest

from deploy.local.engine import scorer_part
from deploy.local.ports import HOST, free_ports
from deploy.local.settings import ROOT
from deploy.local.supervisor import Supervisor
from schemas.proto.ctr.v1.scorer_pb2 import Candidate, RankResponse, ScoreRequest
from schemas.proto.ctr.v1.scorer_pb2_grpc import ScorerStub
from schemas.records import Ad
from schemas.topics import ADS
from streaming.adserver.event_producer import EventProducer
from streaming.adserver.metrics import AdServerMetrics
from streaming.settings import JobName
from tests.scorer.running_scorer import stub_of
from tests.streaming.jobs.golden_story import T0, move_time, publish_base
from tests.streaming.jobs.session_run import SessionRun, result

SHOWN = 40
LATEST = T0 + 20_000
SCORERS = 2


class ScaledRun(SessionRun):
    """A session of two TaskManagers of one slot each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cluster = replace(self.cluster, slots=1)

    def add_taskmanager(self) -> None:
        """The second one, once the first is there."""
        (_, first) = self.cluster.parts()
        self._processes.start([replace(first, name="taskmanager-2")])
        self.until(lambda: self.overview()["taskmanagers"] == 2, "both TaskManagers are there")

    def overview(self) -> dict[str, int]:
        """Numbers of the cluster."""
        with urlopen(f"{self.cluster.url}/overview", timeout=10) as answer:
            numbers: dict[str, int] = json.load(answer)
        return numbers

    def hosts_of_join(self) -> int:
        """How many TaskManagers run tasks of the job."""
        (job,) = (each for each in self.rest.jobs() if each.state == "RUNNING")
        with urlopen(f"{self.cluster.url}/jobs/{job.id}", timeout=10) as answer:
            vertices = json.load(answer)["vertices"]
        found = set()
        for vertex in vertices:
            url = f"{self.cluster.url}/jobs/{job.id}/vertices/{vertex['id']}/taskmanagers"
            with urlopen(url, timeout=10) as answer:
                found |= {each["taskmanager-id"] for each in json.load(answer)["taskmanagers"]}
        return len(found)


@contextmanager
def _scorers(run: ScaledRun, folder: Path) -> Iterator[list[ScorerStub]]:
    ports = list(zip(free_ports(SCORERS), free_ports(SCORERS), strict=True))
    with ExitStack() as stack:
        stubs = []
        for number, (port, metrics_port) in enumerate(ports):
            environment = {
                **run.process_environment(),
                "CTR_SCORER_PORT": str(port),
                "CTR_SCORER_METRICS_PORT": str(metrics_port),
                "CTR_SCORER_EPSILON": "0",
            }
            of_one = folder / f"scorer-{number}"
            supervisor = Supervisor(of_one, environment=environment, cwd=ROOT)
            stack.enter_context(supervisor)
            supervisor.start([scorer_part(port=port, metrics_port=metrics_port)])
            channel = stack.enter_context(grpc.insecure_channel(f"{HOST}:{port}"))
            stubs.append(stub_of(channel))
        yield stubs


def _score(stub: ScorerStub, number: int) -> RankResponse | None:
    request = ScoreRequest(
        request_id=f"r{number}", user_id="u", candidates=[Candidate(ad_id=f"ad-{number % 5}")]
    )
    try:
        answer: RankResponse = stub.Score(request, timeout=5)
    except grpc.RpcError:
        return None
    return answer


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScaledRun]:
    with ScaledRun(tmp_path) as scaled:
        scaled.add_taskmanager()
        yield scaled


@pytest.mark.timeout(900)
def test_two_of_each_and_a_rescale(run: ScaledRun, tmp_path: Path) -> None:
    started = result(run.begin("start", JobName.EVENTS, "--json"))
    assert started["restored"] is None
    publish_base(run)
    producer = EventProducer(run.bootstrap, AdServerMetrics())
    for number in range(5):
        producer.send(ADS, f"ad-{number}", Ad(f"ad-{number}", T0, "ACTIVE", 70, {"size": "1"}))
    producer.flush()
    with _scorers(run, tmp_path) as stubs:
        run.until(lambda: all(_score(stub, 0) for stub in stubs), "both scorers serve")
        for number in range(SHOWN):
            run.journal.impression(f"shown-{number}", T0 + number, counter_keys=["ad:a"])
        move_time(run, T0 + 1_000)
        assert run.hosts_of_join() == 1
        rescaled = result(run.begin("rescale", JobName.EVENTS, "--parallelism", "2", "--json"))
        assert rescaled["parallelism"] == 2
        assert run.hosts_of_join() == 2
        for number in range(SHOWN):
            run.journal.click(f"shown-{number}", T0 + number + 100)
        move_time(run, LATEST)
        run.until(lambda: run.counters().get("ad:a") is not None, "the counter is there")
        wanted = {f"shown-{number}" for number in range(SHOWN)}
        run.until(lambda: wanted <= _positives(run), "each impression is labelled by its click")
        answers = [[_score(stub, number) for stub in stubs] for number in range(20)]
    for first, second in answers:
        assert first is not None
        assert second is not None
        assert [ad.ctr for ad in first.ads] == [ad.ctr for ad in second.ads]
    labels = [s for s in run.samples() if s.request_id in wanted and s.kind == "POSITIVE"]
    assert len({sample.request_id for sample in labels}) == SHOWN
    print(f"{SHOWN} of {SHOWN} labels over the rescale, both scorers agree", file=sys.stderr)


def _positives(run: ScaledRun) -> set[str]:
    return {sample.request_id for sample in run.samples() if sample.kind == "POSITIVE"}
