"""What goes on beside requests, and what of it they must never see half done."""

import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha import reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from deploy.local.ports import free_ports
from schemas.model_package import PackageError
from schemas.proto.ctr.v1 import scorer_pb2
from schemas.settings import SharedSettings
from scorer.ads.ad_arrays import AdArrays
from scorer.ads.popularity import PopularAds
from scorer.memory.background import Pace
from scorer.memory.memory_folder import Memory
from scorer.model import model_file, model_loader, model_view
from scorer.model.model_file import ModelFile, publish_popular, published_popular
from scorer.model.model_loader import build_index
from scorer.model.recent_requests import MADE_UP, PAUSE_SECONDS, RecentRequests, warm_up
from scorer.process import run_worker
from scorer.settings import ScorerSettings
from tests.scorer.publisher import Publisher, ad
from tests.scorer.running_scorer import KEYS, QUICK, RunningScorer, eventually, refusal, stub_of
from tests.scorer.tiny_model import ENCODER, LAYOUT, SPEC_FILE, TinyModel


def test_work_takes_its_share_of_the_time() -> None:
    now, rests = [0.0], list[float]()

    def rest(seconds: float) -> None:
        rests.append(seconds)
        now[0] += seconds

    pace = Pace(0.25, clock=lambda: now[0], rest=rest)
    for seconds in (1.0, 2.0):
        now[0] += seconds
        pace.piece_is_done()
    assert rests == [3.0, 6.0]


def test_a_model_is_not_warmed_up_later_because_its_index_took_long(
    scorer: RunningScorer, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, begun = list[float](), list[float]()

    def build(*arguments: Any) -> Any:
        index = build_index(*arguments)
        built.append(monotonic())
        return index

    def warm(*arguments: Any) -> None:
        begun.append(arguments[-1]._since)
        warm_up(*arguments)

    monkeypatch.setattr(model_loader, "build_index", build)
    monkeypatch.setattr(model_loader, "warm_up", warm)
    publisher.package(TinyModel("v2", seed=2).package)
    scorer.wait_for_model("v2")
    assert len(built) == 1
    assert begun > built


#: PR_SET_THP_DISABLE: one fault would bring 2 MB where the system gives huge pages.
_NO_HUGE_PAGES = 41


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
@pytest.mark.parametrize(("first", "kept"), [("keep_freed_memory()", True), ("", False)])
def test_what_was_freed_is_used_again(first: str, kept: bool) -> None:
    program = f"""
import ctypes, resource, numpy as np
assert ctypes.CDLL(None).prctl({_NO_HUGE_PAGES}, 1, 0, 0, 0) == 0
from scorer.memory.background import keep_freed_memory
{first}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    several = [np.ones(20 << 20, np.uint8) for _ in range(6)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print([faults() for _ in range(4)][-1])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (int(done.stdout) < 1_000) == kept


def test_a_model_is_warmed_up_by_the_last_requests() -> None:
    now = [0.0]
    recent = RecentRequests(clock=lambda: now[0])
    assert len(recent.parts(ENCODER)) == MADE_UP
    parts = [np.full(1, number, LAYOUT.request_dtype) for number in range(3)]
    recent.offer(parts[0])
    recent.offer(parts[1])
    now[0] += PAUSE_SECONDS
    recent.offer(parts[2])
    assert recent.parts(ENCODER) == [parts[0], parts[2]]


def test_idle_reflection_streams_hold_no_request(scorer: RunningScorer) -> None:
    asked = threading.Event()

    def requests() -> Iterator[object]:
        asked.wait(20)
        yield from ()

    stub = reflection_pb2_grpc.ServerReflectionStub(scorer.channel)
    streams = [stub.ServerReflectionInfo(requests()) for _ in range(8)]
    try:
        assert scorer.rank(timeout=10).ads
    finally:
        asked.set()
        for stream in streams:
            stream.cancel()


def test_a_model_that_has_no_room_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1 << 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    model = TinyModel("v1", seed=1)
    with pytest.raises(PackageError, match="CTR_SCORER_MEMORY_DIR has 0 MiB left"):
        ModelFile.create(
            tmp_path / "m", model.package, model.arrays.table, model.hidden, 10, 10, Pace(1.0)
        )
    assert list(tmp_path.iterdir()) == []


def test_an_index_is_built_again_by_what_was_written_of_its_own_model(
    redis_url: str, publisher: Publisher
) -> None:
    publisher.ads(*(ad(number) for number in range(40)))
    with RunningScorer(redis_url, {"flat_index_ads": 0}) as running:
        for version, writes in (("v1", 1_000_000), ("v2", 100)):
            publisher.package(TinyModel(version, seed=1).package)
            running.wait_for_model(version)
            served = running.process.holder.require()
            assert served.index.lists
            before = served.index
            served.store._writes[0] += writes
            eventually(lambda served=served, before=before: served.index is not before)  # type: ignore[misc]


@contextmanager
def worker_without_redis(memory: Memory) -> Iterator[Any]:
    """A worker that starts while Redis is away."""
    absent, port = free_ports(2)
    shared = SharedSettings(
        redis_url=f"redis://127.0.0.1:{absent}/0", features=str(SPEC_FILE), token_keys=KEYS
    )
    settings = ScorerSettings(**{**QUICK, "port": port})
    stopping = threading.Event()
    worker = threading.Thread(
        target=run_worker, args=(shared, settings, memory, CollectorRegistry(), stopping)
    )
    worker.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield stub_of(channel)
    finally:
        stopping.set()
        worker.join(20)


def test_a_worker_comes_back_while_redis_is_away(
    scorer: RunningScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves what is in the shared memory, without users and from its first request on; before
    there is a model, it says so."""
    monkeypatch.setattr(model_view, "_LOOK_SECONDS", 60.0)
    request = scorer_pb2.RankRequest(request_id="r", user_id="u", limit=5)
    with worker_without_redis(scorer.process._memory) as stub:
        answer = stub.Rank(request, wait_for_ready=True, timeout=20)
        assert answer.rung == scorer_pb2.NO_USER
        assert answer.model_version == "v1"
        assert [shown.ad_id for shown in answer.ads] == [
            shown.ad_id for shown in scorer.rank(user_id="u", limit=5).ads
        ]
    empty = Memory.create(tmp_path)
    AdArrays.create(empty.ads, LAYOUT, 10)
    with worker_without_redis(empty) as stub:
        rank = partial(stub.Rank, request, wait_for_ready=True, timeout=20)
        assert refusal(rank)[0] == grpc.StatusCode.UNAVAILABLE


def test_popular_ads_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = AdArrays.create(tmp_path / "ads", LAYOUT, 100)
    publish_popular(arrays, PopularAds(np.array([3, 1], np.int32), np.array([0.2, 0.1]), 0.05))
    found = published_popular(arrays)
    assert (found.slots.tolist(), found.ctrs.tolist()) == ([3, 1], [0.2, 0.1])
    arrays.popular_sequence[0] += np.uint64(1)
    monkeypatch.setattr(model_file, "sleep", lambda _: None)
    with pytest.raises(RuntimeError, match="died"):
        published_popular(arrays)
    publish_popular(arrays, found)
    assert published_popular(arrays).slots.tolist() == [3, 1]
