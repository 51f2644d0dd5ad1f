"""What the probes of our own processes say, against a real gRPC server and a REST stand-in."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from deploy.local.part import Readiness
from deploy.local.ports import HOST, free_ports
from deploy.local.probes import flink_probe, kafka_probe, redis_probe, scorer_probe

Answers = dict[str, Any]


@contextmanager
def rest_server(answers: Answers) -> Iterator[int]:
    """Serve JSON by path; everything else is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path in answers
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path)).encode())

        def log_message(self, *arguments: object) -> None:
            return None

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def flink_job(state: str, *vertices: str) -> Answers:
    return {
        "/jobs/overview": {"jobs": [{"jid": "f00"}]},
        "/jobs/f00": {
            "state": state,
            "vertices": [{"name": f"v{i}", "status": s} for i, s in enumerate(vertices)],
        },
    }


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (flink_job("RUNNING", "RUNNING", "RUNNING"), (True, "job RUNNING, 2 of 2 vertices")),
        (flink_job("RUNNING", "RUNNING", "FINISHED"), (True, "job RUNNING, 2 of 2 vertices")),
        (flink_job("RUNNING", "RUNNING", "DEPLOYING"), (False, "job RUNNING, 1 of 2 vertices")),
        (flink_job("RESTARTING", "CANCELED"), (False, "job RESTARTING, 0 of 1 vertices")),
        ({"/jobs/overview": {"jobs": []}}, (False, "no job yet")),
    ],
)
def test_a_flink_job_is_ready_when_all_its_tasks_run(
    answers: Answers, expected: tuple[bool, str]
) -> None:
    with rest_server(answers) as port:
        assert flink_probe(port)() == Readiness(*expected)


def test_a_flink_rest_server_that_is_still_starting() -> None:
    with rest_server({}) as port:
        seen = flink_probe(port)()
    assert not seen.ready
    assert "no answer over REST" in seen.detail


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (health_pb2.HealthCheckResponse.SERVING, "SERVING"),
        (health_pb2.HealthCheckResponse.NOT_SERVING, "NOT_SERVING (no model yet)"),
    ],
)
def test_a_scorer_is_up_with_and_without_a_model(status: Any, detail: str) -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    servicer.set("", status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    try:
        assert scorer_probe(port)() == Readiness(True, detail)
    finally:
        server.stop(None).wait()


def test_a_scorer_without_the_health_service() -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    try:
        assert scorer_probe(port)() == Readiness(False, "no health over gRPC: UNIMPLEMENTED")
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("probe", [redis_probe, kafka_probe, flink_probe, scorer_probe])
def test_a_closed_port_is_told_at_once(probe: Any) -> None:
    (port,) = free_ports(1)
    assert probe(port)() == Readiness(False, f"port {port} is not open")
