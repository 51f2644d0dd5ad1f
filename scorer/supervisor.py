"""Starts a feeder and workers, and starts again whichever of them dies."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from schemas import log_lines
from schemas.encoding import Encoder
from schemas.settings import SharedSettings
from scorer.ads.ad_arrays import AdArrays
from scorer.memory.background import keep_what_is_imported
from scorer.memory.memory_folder import Memory
from scorer.metrics_sum import MetricsSum
from scorer.process import run_feeder, run_worker
from scorer.requirements import (
    StartError,
    arms_of,
    connected,
    features,
    memory_of,
    require_kernels,
    require_tls,
    room_for_ads,
    serve_metrics,
    token_keys,
)
from scorer.settings import ScorerSettings

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 0.2
#: A process that dies sooner than this after its start waits as long before the next one.
_SHORT_LIFE_SECONDS = 1.0
_STOP_SECONDS = 20.0
_SPAWN = multiprocessing.get_context("spawn")


class Supervisor:
    """The parent: it holds no ads and answers nothing but Prometheus."""

    def __init__(self, shared: SharedSettings, settings: ScorerSettings) -> None:
        """Raises StartError if something that the children need is missing."""
        layout = Encoder(features(shared)).layout
        arms_of(shared, settings)
        token_keys(shared)
        require_tls(settings)
        require_kernels()
        connected(shared).close()
        self._shared = shared
        self._settings = settings.model_copy(update={"port": _free(settings)})
        room = room_for_ads(settings)
        self._memory = memory_of(settings)
        AdArrays.create(self._memory.ads, layout, room)
        self._children: dict[str, tuple[BaseProcess, float]] = {}

    def run(self, stopping: threading.Event) -> None:
        """Supervise until ``stopping`` is set. Raises StartError if the metrics' port is taken."""
        registry = CollectorRegistry()
        registry.register(MetricsSum(self._memory.folder))
        try:
            serve_metrics(self._settings, registry)
            for name in self._names():
                self._start(name)
            _log.info("scorer is up", port=self._settings.port, workers=self._settings.workers)
            while not stopping.is_set():
                sentinels = [child.sentinel for child, _ in self._children.values()]
                wait(sentinels, _LOOK_SECONDS)
                self._restart_dead(stopping)
        finally:
            self._stop()

    def _names(self) -> list[str]:
        return ["feeder", *(f"worker-{number}" for number in range(self._settings.workers))]

    def _start(self, name: str) -> None:
        arguments = (name, self._shared, self._settings, str(self._memory.folder), os.getpid())
        child = _SPAWN.Process(target=run_child, args=arguments, name=name, daemon=True)
        child.start()
        self._children[name] = (child, monotonic())

    def _restart_dead(self, stopping: threading.Event) -> None:
        for name, (child, started) in list(self._children.items()):
            if child.is_alive() or stopping.is_set():
                continue
            _log.error("process died, it is started again", process=name, code=child.exitcode)
            if monotonic() < started + _SHORT_LIFE_SECONDS:
                stopping.wait(_SHORT_LIFE_SECONDS)
            self._start(name)

    def _stop(self) -> None:
        _log.info("scorer stops")
        for child, _ in self._children.values():
            child.terminate()
        settings = self._settings
        deadline = monotonic() + settings.drain_seconds + settings.grace_seconds + _STOP_SECONDS
        for child, _ in self._children.values():
            child.join(max(0.0, deadline - monotonic()))
            if child.is_alive():
                child.kill()
                child.join()
        self._memory.remove()


def run_child(
    name: str, shared: SharedSettings, settings: ScorerSettings, folder: str, parent: int
) -> None:
    """What a child does until SIGTERM, or until its parent is gone."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_lines.configure(shared.log_level)
    threading.Thread(target=_end_without, args=(parent, stopping), daemon=True).start()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores_for(name, settings.workers, cores))
    keep_what_is_imported()
    registry = CollectorRegistry()
    memory = Memory(Path(folder), writable=name == "feeder")
    server, _ = start_http_server(0, "127.0.0.1", registry)
    (memory.folder / f"metrics-{name}").write_text(str(server.server_port))
    try:
        if name == "feeder":
            os.nice(5)
            run_feeder(shared, settings, memory, registry, stopping)
        else:
            run_worker(shared, settings, memory, registry, stopping)
    except StartError as error:
        _log.error("cannot start", process=name, reason=str(error))
        sys.exit(1)


def cores_for(name: str, workers: int, cores: Sequence[int]) -> Sequence[int]:
    """A worker has one of the cores that the parent may use, the feeder those without a worker, and
    all of them where there are none."""
    role, _, number = name.partition("-")
    if role == "worker":
        return (cores[int(number) % len(cores)],)
    return cores[workers:] or cores


def _end_without(parent: int, stopping: threading.Event) -> None:
    """A child must not outlive a parent that was killed."""
    while not stopping.wait(1.0):
        if os.getppid() != parent:
            stopping.set()


def _free(settings: ScorerSettings) -> int:
    """The port, which nobody listens on. Raises StartError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError:
            raise StartError(
                f"cannot listen on {settings.host}:{settings.port}: is it taken? "
                "Set CTR_SCORER_HOST, CTR_SCORER_PORT"
            ) from None
        port: int = listener.getsockname()[1]
        return port
