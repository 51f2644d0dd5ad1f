"""The local stack as an object: what the commands, the demo and the end-to-end tests all use."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from deploy.console.settings import ConsoleSettings
from deploy.local.engine import console_part, flink_job_part, monitor_part, scorer_part
from deploy.local.kafka_broker import kafka_part
from deploy.local.part import Part, StackError
from deploy.local.ports import HOST
from deploy.local.prometheus_server import is_installed, prometheus_part
from deploy.local.redis_server import redis_part
from deploy.local.secret_files import console_credential, token_keys
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.state import PartState
from deploy.local.supervisor import Supervisor
from online_model.settings import OnlineModelSettings
from schemas.settings import Settings, SharedSettings
from scorer.settings import ScorerSettings
from streaming.settings import StreamingSettings

PART_NAMES = ("kafka", "redis", "events", "learning", "scorer", "monitor", "prometheus", "console")
#: No compiler threads that take the cores from the rest of the stack: warm in seconds, and on a
#: long run slower than with the default.
QUICK_JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
SETTINGS_OF_PARTS: tuple[type[Settings], ...] = (
    SharedSettings,
    StreamingSettings,
    OnlineModelSettings,
    ScorerSettings,
    ConsoleSettings,
)
_OWN_PREFIXES = ("CTR_LOCAL_", "CTR_DEMO_")


class LocalStack:
    """A context manager: :meth:`start` parts inside of it; all of them end with it.

    ``environment`` holds further ``CTR_*`` settings for the parts, such as the label windows.
    Parts may be started in several steps, for example the scorer after a model was published.
    Raises SettingsError at once if a variable of any part is misspelt or wrong.
    """

    def __init__(
        self, settings: LocalSettings, *, environment: Mapping[str, str] | None = None
    ) -> None:
        for kind in SETTINGS_OF_PARTS:
            kind.load()
        self._settings = settings
        self._extra = dict(environment or {})
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def failure(self) -> str:
        """Why the stack cannot go on, with the last log lines; empty while all is well."""
        return self._supervisor.failure if self._supervisor else ""

    def environment(self) -> dict[str, str]:
        """Every ``CTR_*`` variable that a process needs to work with this stack."""
        settings, shared = self._settings, SharedSettings.load()
        mine = {
            "CTR_KAFKA_BOOTSTRAP": f"{HOST}:{settings.kafka_port}",
            "CTR_REDIS_URL": f"redis://{HOST}:{settings.redis_port}/0",
            "CTR_FEATURES": settings.features or shared.features,
            "CTR_MODEL": shared.model,
            "CTR_TOKEN_KEYS": shared.token_keys.get_secret_value() or token_keys(settings.folder),
            "CTR_STREAMING_DATA": str(settings.folder / "flink"),
            "CTR_STREAMING_LAKE": str(settings.folder / "lake"),
            "CTR_STREAMING_REST_PORT_EVENTS": str(settings.events_rest_port),
            "CTR_STREAMING_REST_PORT_LEARNING": str(settings.learning_rest_port),
            "CTR_STREAMING_METRICS_PORT_EVENTS": str(settings.events_metrics_port),
            "CTR_STREAMING_METRICS_PORT_LEARNING": str(settings.learning_metrics_port),
            "CTR_STREAMING_METRICS_PORT_MONITOR": str(settings.monitor_metrics_port),
            "CTR_STREAMING_FLINK_METRICS_PORT_EVENTS": str(settings.events_flink_metrics_port),
            "CTR_STREAMING_FLINK_METRICS_PORT_LEARNING": str(settings.learning_flink_metrics_port),
            "CTR_SCORER_PORT": str(settings.scorer_port),
            "CTR_SCORER_METRICS_PORT": str(settings.scorer_metrics_port),
            "CTR_CONSOLE_PORT": str(settings.console_port),
            "CTR_CONSOLE_SCORER": f"{HOST}:{settings.scorer_port}",
            "CTR_CONSOLE_SCORER_METRICS": f"http://{HOST}:{settings.scorer_metrics_port}/metrics",
            "CTR_CONSOLE_PROMETHEUS": (
                f"http://{HOST}:{settings.prometheus_port}" if is_installed() else ""
            ),
            "CTR_CONSOLE_CREDENTIAL": ConsoleSettings.load().credential.get_secret_value()
            or console_credential(settings.folder),
            "CTR_ADSERVER_SCORER": f"{HOST}:{settings.scorer_port}",
        }
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("CTR_") and not name.startswith(_OWN_PREFIXES)
        }
        return {"CTR_STREAMING_JVM_OPTIONS": QUICK_JVM, **inherited, **mine, **self._extra}

    def start(self, parts: Sequence[str] | None = None) -> None:
        """Start the named parts in the order of the stack, each once the one before is ready.

        By default all, and Prometheus where it is installed.

        Raises :class:`StackError` naming the taken port or the part that failed, and why.
        """
        parts = default_parts() if parts is None else parts
        unknown = set(parts) - set(PART_NAMES)
        if unknown:
            raise StackError(f"no such part: {', '.join(sorted(unknown))}; known: {PART_NAMES}")
        if self._supervisor is None:
            base = {k: v for k, v in os.environ.items() if not k.startswith("CTR_")}
            self._supervisor = Supervisor(
                self._settings.folder,
                environment={**base, "PYTHONUNBUFFERED": "1", **self.environment()},
                cwd=ROOT,
            )
        self._supervisor.start([self._part(name) for name in PART_NAMES if name in parts])

    def stop(self) -> None:
        """End every part, the last started first."""
        if self._supervisor is not None:
            self._supervisor.stop()

    def status(self) -> list[PartState]:
        """Return the state of the parts that were started."""
        return self._started().parts()

    def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the process of a part, as a fault would."""
        self._started().send(part, number)

    def restart(self, part: str) -> None:
        """End a part cleanly and start it again; see :meth:`wait_until_ready`."""
        self._started().restart(part)

    def let_end(self, part: str) -> None:
        """Do not restart a part that ends with exit code 0, as a drained job does."""
        self._started().let_end(part)

    def wait_until_ready(self, part: str, timeout_seconds: float = 180.0) -> None:
        """Block until a part is ready. Raises :class:`StackError` when it is not in time."""
        self._started().wait_until_ready(part, timeout_seconds)

    def wait_for_failure(self, timeout_seconds: float | None = None) -> str:
        """Block until a part failed for good or the time is over; returns the failure or ''."""
        return self._started().wait_for_failure(timeout_seconds)

    def _started(self) -> Supervisor:
        if self._supervisor is None:
            raise StackError("the stack has not been started")
        return self._supervisor

    def _part(self, name: str) -> Part:
        settings = self._settings
        definitions: dict[str, Callable[[], Part]] = {
            "kafka": lambda: kafka_part(
                folder=settings.folder / "kafka",
                jars=settings.kafka_jars,
                port=settings.kafka_port,
                controller_port=settings.kafka_controller_port,
                heap_mb=settings.kafka_heap_mb,
                partitions=settings.partitions,
            ),
            "redis": lambda: redis_part(
                folder=settings.folder / "redis",
                port=settings.redis_port,
                maxmemory_mb=settings.redis_maxmemory_mb,
            ),
            "events": lambda: flink_job_part(
                "events",
                rest_port=settings.events_rest_port,
                metrics_port=settings.events_metrics_port,
                flink_metrics_port=settings.events_flink_metrics_port,
            ),
            "learning": lambda: flink_job_part(
                "learning",
                rest_port=settings.learning_rest_port,
                metrics_port=settings.learning_metrics_port,
                flink_metrics_port=settings.learning_flink_metrics_port,
            ),
            "scorer": lambda: scorer_part(
                port=settings.scorer_port, metrics_port=settings.scorer_metrics_port
            ),
            "console": lambda: console_part(port=settings.console_port),
            "monitor": lambda: monitor_part(settings.monitor_metrics_port),
            "prometheus": lambda: prometheus_part(
                folder=settings.folder / "prometheus",
                port=settings.prometheus_port,
                scraped=scraped_ports(settings),
                rules=settings.prometheus_rules,
            ),
        }
        return definitions[name]()


def default_parts() -> list[str]:
    """What is started unless parts are named: everything that is installed."""
    return [name for name in PART_NAMES if name != "prometheus" or is_installed()]


def scraped_ports(settings: LocalSettings) -> dict[str, int]:
    """Ports of metrics by the jobs of prometheus.yml."""
    return {
        "scorer": settings.scorer_metrics_port,
        "events": settings.events_metrics_port,
        "learning": settings.learning_metrics_port,
        "events-flink": settings.events_flink_metrics_port,
        "learning-flink": settings.learning_flink_metrics_port,
        "monitor": settings.monitor_metrics_port,
    }
