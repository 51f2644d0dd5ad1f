"""Ads that are added, paused and deleted under load: how soon that shows, and that it stays so."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import grpc
import numpy as np

from schemas.proto.ctr.v1 import scorer_pb2
from schemas.records import Ad
from tests.benchmarks.bench_scorer.modes.load import REQUESTS, maximum, warm_up
from tests.benchmarks.bench_scorer.open_loop import OpenLoop
from tests.benchmarks.bench_scorer.report import Bar, Report
from tests.benchmarks.bench_scorer.rig import Rig
from tests.benchmarks.bench_scorer.world import rank_requests
from tests.scorer.publisher import Publisher, wall_ms
from tests.scorer.running_scorer import stub_of

_BATCH = 20
_PATIENCE_SECONDS = 10.0
#: Only the ads of a run have this attribute, so that a request can ask for them.
MARK = "benchmark"


def run(rig: Rig, seconds: float) -> Report:
    """Batches of ads go through all states while half of the maximum load is served."""
    rate = maximum(rig, min(seconds, 5.0)) / 2
    publisher = Publisher(rig.client)
    delays: dict[str, list[float]] = {"added": [], "paused": [], "resumed": [], "deleted": []}
    gone: dict[str, float] = {}
    returned: list[str] = []

    def check(answer: scorer_pb2.RankResponse, sent: float) -> None:
        returned.extend(ad.ad_id for ad in answer.ads if gone.get(ad.ad_id, sent) < sent)

    favourites = _favourites(rig)
    with (
        OpenLoop(rig.port, REQUESTS, rate, on_answer=check) as load,
        grpc.insecure_channel(f"127.0.0.1:{rig.port}") as channel,
    ):
        stub = stub_of(channel)
        begin, batch = time.monotonic(), 0
        while time.monotonic() < begin + seconds:
            _one_batch(stub, publisher, batch, delays)
            if batch < len(favourites):
                _pause(stub, publisher, rig, favourites[batch], gone)
            batch += 1
    report = Report("live", rig.world.ads)
    for name, found in delays.items():
        worst = round(float(np.percentile(found, 99)), 3) if found else _PATIENCE_SECONDS
        report.bars.append(Bar.at_most(f"p99 until {name} shows, s", worst, 1))
    report.bars.append(Bar.at_most("paused ads returned after that", len(returned), 0))
    faults = Counter(event.fault for event in load.events if event.fault)
    refused = faults.pop(grpc.StatusCode.RESOURCE_EXHAUSTED.name, 0)
    report.bars.append(Bar.at_most("failed", faults.total(), 0))
    report.figures = {
        "per_second": round(rate, 1),
        "batches": batch,
        "ads_a_batch": _BATCH,
        "favourites_paused": len(gone),
        "answers_checked": len(load.events) - faults.total() - refused,
        "faults": dict(faults),
        "refused": refused,
        "p50_s": {name: round(float(np.median(found)), 3) for name, found in delays.items()},
    }
    return report


def _one_batch(stub: Any, publisher: Publisher, batch: int, delays: dict[str, list[float]]) -> None:
    mark = f"b{batch}"
    ads = [
        Ad(f"live-{batch}-{i}", wall_ms(), "ACTIVE", 100_000, {"category": "c1", MARK: mark})
        for i in range(_BATCH)
    ]
    steps: tuple[tuple[str, Callable[[], None], int], ...] = (
        ("added", lambda: publisher.ads(*ads), _BATCH),
        ("paused", lambda: publisher.ads(*(_now(ad, "PAUSED") for ad in ads)), 0),
        ("resumed", lambda: publisher.ads(*(_now(ad, "ACTIVE") for ad in ads)), _BATCH),
        ("deleted", lambda: _delete(publisher, ads), 0),
    )
    for name, write, wanted in steps:
        write()
        start = time.monotonic()
        while _visible(stub, {MARK: mark}) != wanted:
            if time.monotonic() - start > _PATIENCE_SECONDS:
                break
            time.sleep(0.005)
        delays[name].append(time.monotonic() - start)


def _delete(publisher: Publisher, ads: Sequence[Ad]) -> None:
    for ad in ads:
        publisher.delete_ad(ad.ad_id, wall_ms())


def _favourites(rig: Rig) -> list[int]:
    """Ads that the load is answered with: pausing others would show nothing."""
    warm_up(rig)
    with grpc.insecure_channel(f"127.0.0.1:{rig.port}") as channel:
        stub = stub_of(channel)
        requests = [scorer_pb2.RankRequest(**request) for request in rank_requests(50, 1)]
        found = [ad.ad_id for request in requests for ad in stub.Rank(request).ads]
    return [int(ad_id[1:]) for ad_id in dict.fromkeys(found)]


def _pause(stub: Any, publisher: Publisher, rig: Rig, number: int, gone: dict[str, float]) -> None:
    ad = rig.world.ad(number)
    publisher.ads(_now(ad, "PAUSED"))
    start = time.monotonic()
    required = {"campaign": ad.attributes["campaign"]}
    while ad.ad_id in _ads(stub, required) and time.monotonic() - start < _PATIENCE_SECONDS:
        time.sleep(0.005)
    gone[ad.ad_id] = time.monotonic()


def _now(ad: Ad, status: str) -> Ad:
    return replace(ad, status=status, ts=wall_ms())


def _visible(stub: Any, required: dict[str, str]) -> int:
    return len(_ads(stub, required))


def _ads(stub: Any, required: dict[str, str]) -> set[str]:
    """What is answered; a refusal says nothing about ads, so it is asked again."""
    request = scorer_pb2.RankRequest(
        request_id=f"live-{time.monotonic_ns()}",
        user_id="u1",
        limit=200,
        required_attributes=required,
    )
    start = time.monotonic()
    while True:
        try:
            return {ad.ad_id for ad in stub.Rank(request, timeout=2).ads}
        except grpc.RpcError:
            if time.monotonic() - start > _PATIENCE_SECONDS:
                raise
            time.sleep(0.005)
