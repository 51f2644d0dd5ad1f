"""A real Kafka broker in KRaft mode, one process for broker and controller, and our topics."""

import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.cluster.kafka_rights import create_topics
from deploy.local.part import Part, Port, StackError
from deploy.local.ports import HOST
from deploy.local.probes import kafka_admin, kafka_probe
from schemas.addresses import KafkaAddress

_LOGGING = Path(__file__).parent / "kafka" / "log4j2.properties"
# Quick to start, small, and no compiler threads that take the cores from the rest of the stack.
_JAVA_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@dataclass(frozen=True, slots=True)
class Listener:
    """How clients reach the broker: ``settings`` of it beside its own, and ``format_options`` of
    the storage, for users. ``client`` is an administrator."""

    client: KafkaAddress
    settings: Mapping[str, str] = field(default_factory=dict)
    format_options: Sequence[str] = ()


def kafka_part(
    *,
    folder: Path,
    jars: Path,
    port: int,
    controller_port: int,
    heap_mb: int,
    partitions: int,
    listener: Listener | None = None,
) -> Part:
    """Return the broker; its data stay in ``folder`` from one start to the next."""
    listener = listener or Listener(KafkaAddress(f"{HOST}:{port}"))
    client = listener.client
    broker = _Broker(folder, jars, port, controller_port, listener)
    return Part(
        name="kafka",
        command=(*broker.java(heap_mb), "kafka.Kafka", str(broker.config)),
        probe=kafka_probe(port, client),
        ports=(
            Port(port, "CTR_LOCAL_KAFKA_PORT"),
            Port(controller_port, "CTR_LOCAL_KAFKA_CONTROLLER_PORT"),
        ),
        ready_timeout_seconds=60,
        grace_seconds=15,
        prepare=broker.prepare,
        on_ready=lambda: _create_topics(client, partitions),
    )


class _Broker:
    def __init__(
        self, folder: Path, jars: Path, port: int, controller_port: int, listener: Listener
    ) -> None:
        self.config = folder / "server.properties"
        self._data = folder / "data"
        self._jars = jars
        self._port = port
        self._controller_port = controller_port
        self._listener = listener

    def java(self, heap_mb: int) -> list[str]:
        return [
            java_command(),
            f"-Xmx{heap_mb}m",
            *_JAVA_OPTIONS,
            f"-Dlog4j2.configurationFile={_LOGGING}",
            "-cp",
            f"{self._jars}/*",
        ]

    def prepare(self) -> None:
        """Write the configuration and, the first time, format the storage."""
        if not any(self._jars.glob("kafka_*.jar")):
            raise StackError(f"no Kafka jars in {self._jars}: run `make setup`")
        self._data.mkdir(parents=True, exist_ok=True)
        settings = self._settings()
        self.config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        if not (self._data / "meta.properties").exists():
            self._format()

    def _settings(self) -> dict[str, str | int]:
        broker = f"{self._listener.client.security}://{HOST}:{self._port}"
        controller = f"{HOST}:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"{broker},CONTROLLER://{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL"
            ),
            "controller.quorum.bootstrap.servers": controller,
            "log.dirs": str(self._data),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "transaction.max.timeout.ms": 3_600_000,
            **self._listener.settings,
        }

    def _format(self) -> None:
        # An id that begins with '-' would be taken for an option.
        cluster = "c" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:21]
        tool = [*self.java(256), "kafka.tools.StorageTool", "format", "--standalone"]
        options = ["--cluster-id", cluster, "--config", str(self.config)]
        result = subprocess.run(
            [*tool, *options, *self._listener.format_options],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise StackError(
                f"cannot format {self._data}: {(result.stdout + result.stderr)[-600:]}"
            )


def _create_topics(client: KafkaAddress, partitions: int) -> None:
    admin = kafka_admin(client)  # must outlive its answers
    create_topics(admin, partitions, replication=1)


def java_command() -> str:
    """Path of ``java``, from JAVA_HOME if set. Raises :class:`StackError` when there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (java := Path(home) / "bin" / "java").exists():
        return str(java)
    found = shutil.which("java")
    if found is None:
        raise StackError("no java on the PATH: install JDK 17 (make setup does it as root)")
    return found
