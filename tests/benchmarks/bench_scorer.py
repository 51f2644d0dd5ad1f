"""Load on one scorer over loopback: ``python -m tests.benchmarks.bench_scorer --help``.

A real Redis, a scorer process with random weights, ads that change while it serves; prints
requests/s, latency as the client sees it, and the scorer's own CPU a request.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import redis
import typer

from deploy.local.ports import free_ports
from schemas.features import FeatureSpec
from schemas.proto.ctr.v1 import scorer_pb2
from schemas.records import Ad
from tests.scorer.publisher import Publisher, counter_row, row_delta, wall_ms
from tests.scorer.running_scorer import KEYS, eventually, stub_of
from tests.scorer.tiny_model import TinyModel

ROOT = Path(__file__).resolve().parents[2]
USERS = 5_000


def requests(spec: FeatureSpec, method: str, count: int, seed: int) -> list[Any]:
    """Requests of different users, so that no cache stays warm."""
    random = np.random.default_rng(seed)
    made: list[Any] = []
    for i in range(count):
        user = f"u{random.integers(USERS)}"
        context = {key: str(random.integers(10)) for key in sorted(spec.context_keys)}
        if method == "Rank":
            made.append(
                scorer_pb2.RankRequest(request_id=f"{seed}-{i}", user_id=user, context=context)
            )
            continue
        attributes = {}
        if spec.name == "criteo":
            attributes = {f"C{c}": f"{random.integers(1 << 30):08x}" for c in range(1, 27)}
        candidate = scorer_pb2.Candidate(ad_id=f"a{random.integers(2_000)}", attributes=attributes)
        made.append(
            scorer_pb2.ScoreRequest(
                request_id=f"{seed}-{i}", user_id=user, context=context, candidates=[candidate]
            )
        )
    return made


def client(
    address: str, features: str, method: str, rate: float, seconds: float, threads: int, out: Any
) -> None:
    """Sends requests from a process of its own, evenly at ``rate`` (0: as fast as it goes)."""
    made = requests(FeatureSpec.load(features), method, 2_000, seed=os.getpid())
    latencies: list[float] = []
    rungs: dict[str, int] = {}
    counter, lock = iter(range(1 << 60)), threading.Lock()
    with grpc.insecure_channel(address) as channel:
        call = getattr(stub_of(channel), method)
        begin = time.perf_counter()

        def work() -> None:
            while True:
                with lock:
                    i = next(counter)
                due = begin + i / rate if rate else time.perf_counter()
                if max(due, time.perf_counter()) > begin + seconds:
                    return
                time.sleep(max(0.0, due - time.perf_counter()))
                response = call(made[i % len(made)], timeout=5)
                # From when it was due: a late start counts as waiting.
                latencies.append(time.perf_counter() - due)
                name = scorer_pb2.Rung.Name(response.rung)
                rungs[name] = rungs.get(name, 0) + 1

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        out.put((latencies, rungs, time.perf_counter() - begin))


def change(publisher: Publisher, model: TinyModel, ads: int, stopping: threading.Event) -> None:
    """Once a second: rows of 1,000 ads and users, 200 counters, one price."""
    random = np.random.default_rng(0)
    for step in range(1 << 30):
        if stopping.wait(1.0):
            return
        ids = random.integers(0, len(model.arrays.table), 1_000)
        rows = {int(row): list(model.arrays.table[row] + 0.001 * step) for row in ids}
        delta = row_delta(
            model.version, step, rows, click_ts=[wall_ms()], width=model.arrays.table.shape[1]
        )
        publisher.delta(delta)
        counted = {f"ad:a{random.integers(ads)}": counter_row(step + 9, step) for _ in range(200)}
        counted |= {f"advertiser:v{i}": counter_row(99 + step, step) for i in range(20)}
        publisher.counters(counted, ts=wall_ms())
        publisher.ads(ad_of(int(random.integers(ads)), ts=wall_ms(), price=step))


def ad_of(number: int, ts: int = 1, price: int = 1_000) -> Ad:
    """An ad of the simulated world's form."""
    attributes = {"category": f"c{number % 40}", "advertiser": f"v{number % 200}"}
    return Ad(f"a{number}", ts, "ACTIVE", price, attributes)


def main(
    method: str = typer.Option("Score", help="Score or Rank"),
    features: str = typer.Option("world", help="feature set"),
    ads: int = typer.Option(2_000, help="ads in the catalogue"),
    rate: float = typer.Option(300.0, help="requests a second; 0: as fast as the client can"),
    seconds: float = typer.Option(10.0, help="how long"),
    threads: int = typer.Option(8, help="requests at a time"),
    changing: bool = typer.Option(True, help="change model, counters and ads meanwhile"),
) -> None:
    """Print one JSON object."""
    redis_port, port = free_ports(2)
    spec = FeatureSpec.load(features)
    environment = {
        **{name: value for name, value in os.environ.items() if is_passed_on(name)},
        "CTR_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "CTR_FEATURES": features,
        "CTR_TOKEN_KEYS": KEYS,
        "CTR_LOG_LEVEL": "WARNING",
        "CTR_SCORER_PORT": str(port),
        "CTR_SCORER_METRICS_PORT": "0",
    }
    store_command = ["redis-server", "--port", str(redis_port), "--save", ""]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(store_command, cwd=folder, stdout=subprocess.DEVNULL) as store,
        subprocess.Popen([sys.executable, "-m", "scorer"], cwd=ROOT, env=environment) as scorer,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stopping = threading.Event()
        try:
            publisher = Publisher(redis.Redis(port=redis_port))
            eventually(lambda: is_up(publisher.client))
            model = TinyModel("v1", 1, spec, hidden=128, second=64)
            for number in range(USERS):
                publisher.user(f"u{number}", {"segment": f"s{number % 20}"}, ["a1", "a2", "a3"])
            publisher.ads(*(ad_of(number) for number in range(ads)))
            publisher.package(model.package)
            grpc.channel_ready_future(channel).result(timeout=60)
            request = requests(spec, method, 1, 0)[0]
            call = getattr(stub_of(channel), method)
            eventually(lambda: answered(call, request))
            changer = threading.Thread(target=change, args=(publisher, model, ads, stopping))
            if changing:
                changer.start()
            print(json.dumps(measured(scorer.pid, port, features, method, rate, seconds, threads)))
        finally:
            stopping.set()
            scorer.terminate()
            scorer.wait(20)
            store.kill()


def is_passed_on(variable: str) -> bool:
    """The scorer's own settings may be varied."""
    return variable.startswith("CTR_SCORER_") or not variable.startswith("CTR_")


def is_up(client: redis.Redis) -> bool:
    """Whether Redis answers."""
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def answered(call: Any, request: Any) -> bool:
    """Whether the scorer has a model by now."""
    try:
        call(request)
    except grpc.RpcError:
        return False
    return True


def measured(
    pid: int, port: int, features: str, method: str, rate: float, seconds: float, threads: int
) -> dict[str, Any]:
    """One run of the load."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    arguments = (f"127.0.0.1:{port}", features, method, rate, seconds, threads, out)
    load = context.Process(target=client, args=arguments)
    process = psutil.Process(pid)
    before = process.cpu_times()
    load.start()
    latencies, rungs, took = out.get()
    load.join()
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    p50, p99, p999 = np.percentile(np.array(latencies) * 1000, [50, 99, 99.9]).round(2).tolist()
    return {
        "method": method,
        "features": features,
        "offered_per_second": rate,
        "requests_per_second": round(len(latencies) / took, 1),
        "p50_ms": p50,
        "p99_ms": p99,
        "p999_ms": p999,
        "scorer_cpu_us_per_request": round(used / len(latencies) * 1e6),
        "rungs": rungs,
        "load_average": os.getloadavg()[0],
        "rss_mb": round(process.memory_info().rss / 1e6),
    }


if __name__ == "__main__":
    typer.run(main)
