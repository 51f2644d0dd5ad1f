"""How to tell from outside that a part is ready. Each probe answers within two seconds."""

import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import grpc
import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.part import Probe, Readiness
from deploy.local.ports import HOST
from schemas.addresses import KafkaAddress
from stores.kafka_client import client_settings

_TIMEOUT_SECONDS = 2.0
_SETTLED_VERTICES = {"RUNNING", "FINISHED"}


def redis_probe(port: int) -> Probe:
    """Ready when Redis answers PING."""

    def probe() -> Readiness:
        try:
            with redis.Redis(HOST, port, socket_timeout=_TIMEOUT_SECONDS) as client:
                client.ping()
        except redis.RedisError as error:
            return Readiness(False, f"no answer to PING: {error}")
        return Readiness(True, "answers PING")

    return _listening(port, probe)


def kafka_probe(port: int, address: KafkaAddress | None = None) -> Probe:
    """Ready when the broker answers a metadata request; ``address`` if it asks who we are."""
    address = address or KafkaAddress(f"{HOST}:{port}")

    def probe() -> Readiness:
        client = kafka_admin(address)
        try:
            brokers = client.list_topics(timeout=_TIMEOUT_SECONDS).brokers
        except KafkaException as error:
            return Readiness(False, f"no metadata: {error.args[0].str()}")
        return Readiness(bool(brokers), f"{len(brokers)} broker")

    return _listening(port, probe)


def kafka_admin(address: KafkaAddress) -> AdminClient:
    """Return a client that keeps librdkafka's own lines off the terminal."""
    return AdminClient({**client_settings(address), "log_level": 0})


def flink_probe(rest_port: int) -> Probe:
    """Ready when the only job is RUNNING and so is every one of its vertices."""

    def probe() -> Readiness:
        try:
            jobs = _get(rest_port, "/jobs/overview")["jobs"]
            if not jobs:
                return Readiness(False, "no job yet")
            job = _get(rest_port, f"/jobs/{jobs[0]['jid']}")
        except (URLError, OSError, ValueError, KeyError) as error:
            return Readiness(False, f"no answer over REST: {error}")
        vertices = job["vertices"]
        waiting = [v["name"] for v in vertices if v["status"] not in _SETTLED_VERTICES]
        running = job["state"] == "RUNNING" and not waiting
        settled = f"{len(vertices) - len(waiting)} of {len(vertices)} vertices"
        return Readiness(running, f"job {job['state']}, {settled}")

    return _listening(rest_port, probe)


def jobmanager_probe(rest_port: int) -> Probe:
    """Ready when the cluster's REST API answers."""
    return _listening(rest_port, lambda: _cluster(rest_port, lambda _: True))


def taskmanager_probe(rest_port: int) -> Probe:
    """Ready when a TaskManager has offered its slots to the JobManager."""
    return _listening(rest_port, lambda: _cluster(rest_port, lambda slots: slots > 0))


def _cluster(rest_port: int, is_ready: Callable[[int], bool]) -> Readiness:
    try:
        slots = _get(rest_port, "/overview")["slots-total"]
    except (URLError, OSError, ValueError, KeyError) as error:
        return Readiness(False, f"no answer over REST: {error}")
    return Readiness(is_ready(slots), f"{slots} slots")


def scorer_probe(port: int) -> Probe:
    """Ready when gRPC health answers at all; the detail says whether a model is served."""

    def probe() -> Readiness:
        with grpc.insecure_channel(f"{HOST}:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS)
            except grpc.RpcError as error:
                return Readiness(False, f"no health over gRPC: {error.code().name}")
        serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        return Readiness(True, "SERVING" if serving else "NOT_SERVING (no model yet)")

    return _listening(port, probe)


def console_probe(port: int) -> Probe:
    """Ready when the web page answers; the detail is its address."""

    def probe() -> Readiness:
        try:
            _get(port, "/healthz")
        except (URLError, OSError, ValueError) as error:
            return Readiness(False, f"no answer: {error}")
        return Readiness(True, f"http://{HOST}:{port}")

    return _listening(port, probe)


def http_probe(port: int, path: str) -> Probe:
    """Ready when a path is answered."""

    def probe() -> Readiness:
        try:
            with urlopen(f"http://{HOST}:{port}{path}", timeout=_TIMEOUT_SECONDS) as answer:
                answer.read()
        except (URLError, OSError) as error:
            return Readiness(False, f"no answer: {error}")
        return Readiness(True, f"answers {path}")

    return _listening(port, probe)


def _listening(port: int, probe: Probe) -> Callable[[], Readiness]:
    """Ask only once something listens: clients would retry and complain on the terminal."""

    def guarded() -> Readiness:
        try:
            socket.create_connection((HOST, port), timeout=_TIMEOUT_SECONDS).close()
        except OSError:
            return Readiness(False, f"port {port} is not open")
        return probe()

    return guarded


def _get(port: int, path: str) -> Any:
    with urlopen(f"http://{HOST}:{port}{path}", timeout=_TIMEOUT_SECONDS) as answer:
        return json.load(answer)
