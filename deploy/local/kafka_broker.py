"""A real Kafka broker in KRaft mode, one process for broker and controller, and our topics."""

import base64
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic

from deploy.local.part import Part, Port, StackError
from deploy.local.ports import HOST
from deploy.local.probes import kafka_admin, kafka_probe
from schemas.topics import ALL

_LOGGING = Path(__file__).parent / "kafka" / "log4j2.properties"
_TOPIC_TIMEOUT_SECONDS = 20.0
# Quick to start, small, and no compiler threads that take the cores from the rest of the stack.
_JAVA_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


def kafka_part(
    *, folder: Path, jars: Path, port: int, controller_port: int, heap_mb: int, partitions: int
) -> Part:
    """Return the broker; its data stay in ``folder`` from one start to the next."""
    broker = _Broker(folder, jars, port, controller_port)
    return Part(
        name="kafka",
        command=(*broker.java(heap_mb), "kafka.Kafka", str(broker.config)),
        probe=kafka_probe(port),
        ports=(
            Port(port, "CTR_LOCAL_KAFKA_PORT"),
            Port(controller_port, "CTR_LOCAL_KAFKA_CONTROLLER_PORT"),
        ),
        ready_timeout_seconds=60,
        grace_seconds=15,
        prepare=broker.prepare,
        on_ready=lambda: create_topics(port, partitions),
    )


class _Broker:
    def __init__(self, folder: Path, jars: Path, port: int, controller_port: int) -> None:
        self.config = folder / "server.properties"
        self._data = folder / "data"
        self._jars = jars
        self._port = port
        self._controller_port = controller_port

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
        broker = f"{HOST}:{self._port}"
        controller = f"{HOST}:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
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
        }

    def _format(self) -> None:
        # An id that begins with '-' would be taken for an option.
        cluster = "c" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:21]
        tool = [*self.java(256), "kafka.tools.StorageTool", "format", "--standalone"]
        result = subprocess.run(
            [*tool, "--cluster-id", cluster, "--config", str(self.config)],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise StackError(
                f"cannot format {self._data}: {(result.stdout + result.stderr)[-600:]}"
            )


def create_topics(port: int, partitions: int) -> None:
    """Create the topics of :mod:`schemas.topics` that do not exist. Raises KafkaException."""
    topics = [
        NewTopic(topic.name, num_partitions=partitions, replication_factor=1, config=topic.config)
        for topic in ALL
    ]
    admin = kafka_admin(port)  # must outlive its answers
    for created in admin.create_topics(topics).values():
        try:
            created.result(_TOPIC_TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def java_command() -> str:
    """Path of ``java``, from JAVA_HOME if set. Raises :class:`StackError` when there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (java := Path(home) / "bin" / "java").exists():
        return str(java)
    found = shutil.which("java")
    if found is None:
        raise StackError("no java on the PATH: install JDK 17 (make setup does it as root)")
    return found
