"""The events job as least user of a secured Kafka and Redis; no secret in any line of its logs."""

import os
import time
from pathlib import Path

from confluent_kafka import Consumer

from deploy.local.engine import flink_job_part
from deploy.local.ports import free_ports
from deploy.local.settings import ROOT
from deploy.local.supervisor import Supervisor
from schemas import redis_keys, topics
from schemas.features import FeatureSpec
from schemas.records import Ad, Click, Impression, Served, TrainingSample
from schemas.served_token import TokenKeys
from stores.kafka_client import client_settings
from stores.redis_client import connect
from streaming.adserver.event_producer import EventProducer
from streaming.adserver.metrics import AdServerMetrics
from tests.security.secured_servers import SecuredServers

TOKEN_KEYS = "1:" + "5ec7e7" * 6
PATIENCE_SECONDS = 60


def test_the_events_job(servers: SecuredServers, tmp_path: Path) -> None:
    rest_port, metrics_port, flink_port = free_ports(3)
    environment = {
        **os.environ,
        **servers.environment("events"),
        "CTR_TOKEN_KEYS": TOKEN_KEYS,
        "CTR_LOG_LEVEL": "DEBUG",
        "CTR_STREAMING_DATA": str(tmp_path / "flink"),
        "CTR_STREAMING_LAKE": str(tmp_path / "lake"),
        "CTR_STREAMING_REST_PORT_EVENTS": str(rest_port),
        "CTR_STREAMING_METRICS_PORT_EVENTS": str(metrics_port),
        "CTR_STREAMING_FLINK_METRICS_PORT_EVENTS": str(flink_port),
        "CTR_STREAMING_JVM_OPTIONS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }
    job = flink_job_part(
        "events", rest_port=rest_port, metrics_port=metrics_port, flink_metrics_port=flink_port
    )
    with Supervisor(tmp_path, environment=environment, cwd=ROOT) as supervisor:
        supervisor.start([job])
        _send(servers)
        sample = _first_sample(servers)
        _wait_for_ad(servers)
    assert (sample.request_id, sample.label) == ("secured", 1)
    logs = "".join(file.read_text() for file in (tmp_path / "logs").iterdir())
    assert "sasl.jaas.config" in logs, "Kafka's own settings are in the logs, with [hidden] in it"
    secrets = [servers.secrets["events"], servers.secrets["events"][:12], TOKEN_KEYS[2:]]
    assert [secret for secret in secrets if secret in logs] == []


def _send(servers: SecuredServers) -> None:
    producer = EventProducer(servers.kafka("adserver"), AdServerMetrics())
    now_ms = time.time_ns() // 1_000_000
    fingerprint = FeatureSpec.load("world").fingerprint
    served = Served("secured", "a", "arm", "v", 0.1, 1.0, fingerprint, [], b"inputs")
    token = TokenKeys.parse(TOKEN_KEYS).sign(served)
    shown = Impression("secured", "a", "u", now_ms, 1, 70, token)
    producer.send(topics.IMPRESSIONS, "secured", shown)
    producer.send(topics.CLICKS, "secured", Click("secured", "a", now_ms + 1))
    producer.send(topics.ADS, "a", Ad("a", now_ms, "ACTIVE", 70, {}))
    producer.flush()


def _first_sample(servers: SecuredServers) -> TrainingSample:
    settings = client_settings(servers.kafka("operator"))
    consumer = Consumer({**settings, "group.id": "ctr-test", "auto.offset.reset": "earliest"})
    consumer.subscribe([topics.TRAINING_SAMPLES.name])
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            # Another test wrote what is no record.
            if message is not None and message.error() is None and message.key() == b"secured":
                return TrainingSample.decode(message.value())
    finally:
        consumer.close()
    raise AssertionError("no sample came")


def _wait_for_ad(servers: SecuredServers) -> None:
    key = redis_keys.ads(redis_keys.shard("a"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    with connect(servers.redis("scorer")) as client:
        while not client.hexists(key, "a"):
            assert time.monotonic() < deadline, "the ad is not in Redis"
            time.sleep(0.1)
