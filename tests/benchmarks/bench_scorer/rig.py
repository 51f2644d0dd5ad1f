"""What is measured: a Redis and a scorer on a core of its own, filled with a world."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.progress import Progress

from deploy.local.ports import free_ports
from schemas.features import FeatureSpec
from scorer.memory.memory_folder import Memory
from scorer.settings import ScorerSettings
from tests.benchmarks.bench_scorer.fill import RawRedis, write_ads, write_package, write_users
from tests.benchmarks.bench_scorer.gauges import Gauges
from tests.benchmarks.bench_scorer.model import BenchModel
from tests.benchmarks.bench_scorer.report import console
from tests.benchmarks.bench_scorer.world import World, declaration
from tests.benchmarks.process_tree import family
from tests.scorer.running_scorer import KEYS

ROOT = Path(__file__).resolve().parents[3]
VERSION = "v1"
_READY_SECONDS = 1_800


@dataclass
class Rig:
    """Redis at ``redis_port``, the scorer at ``port``; load and Redis share ``load_core``."""

    folder: Path
    world: World
    model: BenchModel
    redis_port: int
    scorer_core: int
    load_core: int
    settings: dict[str, str]
    base_bytes: int = 0
    port: int = 0
    _redis: subprocess.Popen[bytes] | None = None
    _scorer: subprocess.Popen[bytes] | None = None

    @property
    def gauges(self) -> Gauges:
        """Of the scorer that runs."""
        if self._scorer is None:
            raise RuntimeError("no scorer runs")
        return Gauges(self._scorer.pid, self.metrics_port)

    @property
    def client(self) -> Any:
        """Of Redis."""
        return redis.Redis(port=self.redis_port)

    def memory(self) -> Memory:
        """What the scorer that runs has in memory."""
        folders = ScorerSettings().memory_dir.glob(f"ctr-scorer-{self.gauges.pid}-*")
        return Memory(next(iter(folders)))

    def start_redis(self) -> None:
        """An empty one, or one with what ``save_redis`` has left."""
        command = ["redis-server", "--port", str(self.redis_port), "--save", ""]
        self._redis = subprocess.Popen(
            command,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.load_core}),
        )
        _until(self._redis_answers, 600, "Redis")

    def _redis_answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def kill_redis(self) -> None:
        """As by kill -9."""
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()

    def start_scorer(self, **settings: str) -> None:
        """Until it is healthy and has all ads."""
        self.port, self.metrics_port = free_ports(2)
        passed = {k: v for k, v in os.environ.items() if not k.startswith("CTR_")}
        environment = {
            **passed,
            "CTR_REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "CTR_FEATURES": str(self.folder / "features.yaml"),
            "CTR_TOKEN_KEYS": KEYS,
            "CTR_LOG_LEVEL": "WARNING",
            "CTR_SCORER_PORT": str(self.port),
            "CTR_SCORER_METRICS_PORT": str(self.metrics_port),
            **self.settings,
            **settings,
        }
        self._scorer = subprocess.Popen(
            [sys.executable, "-m", "scorer"],
            cwd=ROOT,
            env=environment,
            preexec_fn=self._pin_scorer,
        )
        _until(self._healthy, _READY_SECONDS, "the scorer")

    def _pin_scorer(self) -> None:
        """A process that does all gets one core; a worker takes the first one by itself."""
        if self.settings["CTR_SCORER_WORKERS"] == "0":
            os.sched_setaffinity(0, {self.scorer_core})

    def _healthy(self) -> bool:
        if self._scorer is not None and self._scorer.poll() is not None:
            raise RuntimeError("the scorer has ended")
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
            except grpc.RpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def start(self, **settings: str) -> float:
        """A scorer that has all ads; the seconds that it took."""
        start = time.monotonic()
        with Progress(console=console, transient=True) as progress:
            self.start_scorer(**settings)
            self._wait_for_ads(progress)
        return time.monotonic() - start

    def _wait_for_ads(self, progress: Progress) -> None:
        task = progress.add_task("ads to the scorer", total=self.world.ads)

        def complete() -> bool:
            active = self.gauges.active_ads()
            progress.update(task, completed=active)
            return active >= self.world.ads

        _until(complete, _READY_SECONDS, "all ads")

    def let_the_load_go_first(self) -> None:
        """Redis and who asks are on other machines in truth. Here the feeder shares their core, and
        from now on takes what they leave of it: what is measured is what it costs the worker."""
        for process in family(self.gauges.pid):
            if os.sched_getaffinity(process.pid) == {self.load_core}:
                for thread in process.threads():
                    take_what_is_left(thread.id)

    def stop_scorer(self) -> None:
        """As by SIGTERM."""
        if self._scorer is not None:
            self._scorer.terminate()
            try:
                self._scorer.wait(60)
            except subprocess.TimeoutExpired:
                self._scorer.kill()
            self._scorer = None

    def close(self) -> None:
        """Nothing of it goes on."""
        self.stop_scorer()
        self.kill_redis()


@contextmanager
def filled_rig(folder: Path, ads: int, seed: int, workers: int) -> Iterator[Rig]:
    """A rig with ``ads`` ads in Redis; no scorer runs. ``base_bytes`` is one without ads."""
    text = declaration(ads)
    (folder / "features.yaml").write_text(text)
    spec = FeatureSpec.load(str(folder / "features.yaml"))
    cores = sorted(os.sched_getaffinity(0))
    (redis_port,) = free_ports(1)
    rig = Rig(
        folder=folder,
        world=World.of(spec, ads, seed),
        model=BenchModel.of(spec, seed),
        redis_port=redis_port,
        scorer_core=cores[0],
        load_core=cores[-1],
        settings={"CTR_SCORER_WORKERS": str(workers)},
    )
    with Progress(console=console, transient=True) as progress:
        try:
            rig.start_redis()
            raw = RawRedis(redis_port)
            write_package(raw, rig.model.package(VERSION, spec.fingerprint))
            rig.start_scorer()
            rig.base_bytes = rig.gauges.memory_bytes()
            rig.stop_scorer()
            write_users(raw, ads)
            write_ads(raw, rig.world, progress)
            raw.close()
            yield rig
        finally:
            rig.close()


def take_what_is_left(thread: int = 0) -> None:
    """A thread, or the one that calls, works while no other one wants its core."""
    os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


@contextmanager
def kept_awake(*cores: int) -> Iterator[None]:
    """Cores that never sleep, as on machines that are tuned for latency: the host of a virtual one
    takes milliseconds, now and then, to wake its core. Whatever else wants them goes first."""
    spinning = [
        subprocess.Popen(
            [sys.executable, "-c", "while True: pass"], preexec_fn=partial(_spin_on, core)
        )
        for core in cores
    ]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def _spin_on(core: int) -> None:
    os.sched_setaffinity(0, {core})
    take_what_is_left()


def _until(holds: Any, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not ready after {seconds} s")
        time.sleep(0.2)
