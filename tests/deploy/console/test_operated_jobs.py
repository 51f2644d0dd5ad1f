"""Savepoints of jobs that the Kubernetes operator runs, by a stand-in for Flink's REST API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from deploy.console.sources import each_address
from deploy.local.ports import HOST
from deploy.scrape import Scrape
from schemas import metric_names
from tests.deploy.console.conftest import nobody
from tests.deploy.console.running_console import RunningConsole

KEPT = "s3://ctr-engine/flink/events/savepoints/savepoint-abcdef-1"
TAKEN = "s3://ctr-engine/flink/events/savepoints/savepoint-abcdef-2"
SAVEPOINT = {"external_path": KEPT, "latest_ack_timestamp": 1_700_000_000_000, "state_size": 9}
JOB = {"jid": "abcdef", "name": "events", "state": "RUNNING", "start-time": 1}
ANSWERS = {
    "/jobs/overview": {"jobs": [{**JOB, "tasks": {"running": 2, "total": 2}}]},
    "/jobs/abcdef/checkpoints": {
        "counts": {"completed": 3, "failed": 0},
        "latest": {"completed": None, "restored": None, "savepoint": SAVEPOINT},
    },
    "/jobs/abcdef/exceptions": {"exceptionHistory": {"entries": []}},
    "/jobs/abcdef/savepoints": {"request-id": "r"},
    "/jobs/abcdef/savepoints/r": {
        "status": {"id": "COMPLETED"},
        "operation": {"location": TAKEN},
    },
}


@contextmanager
def _flink(asked: list[tuple[str, Any]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(ANSWERS[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, json.loads(data)))
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            return

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()


def test_savepoints_lie_where_the_job_says_and_the_operator_restores(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []
    with _flink(asked) as url:
        environment = {
            **nobody(),
            "CTR_STREAMING_DATA": str(tmp_path),
            "CTR_STREAMING_LAKE": str(tmp_path / "lake"),
            "CTR_STREAMING_REST_URL_EVENTS": url,
            "CTR_CONSOLE_RESTORE_COMMAND": "kubectl patch flinkdeployment ctr-JOB … SAVEPOINT",
        }
        with RunningConsole(tmp_path / "log", environment) as console:
            events, learning = console.request("/api/savepoints").json()["jobs"]
            (kept,) = events["savepoints"]
            assert (kept["path"], kept["name"], kept["bytes"]) == (KEPT, "savepoint-abcdef-1", 9)
            assert kept["restore"] == f"kubectl patch flinkdeployment ctr-events … {KEPT}"
            assert learning["restore_elsewhere"] == "", "it runs beside this console"

            taken = console.act("/api/savepoints/take", {"job": "events"})
            assert taken.json() == {"savepoint": TAKEN}
            ((path, body),) = asked
            assert path == "/jobs/abcdef/savepoints"
            assert "target-directory" not in body, "this machine's folders are not the job's"

            refused = console.act("/api/savepoints/restore", {"job": "events", "savepoint": KEPT})
            assert refused.status == 409
            assert f"ctr-events … {KEPT}" in refused.json()["fault"]
    assert len(asked) == 1


def test_a_name_stands_for_all_of_its_addresses(monkeypatch: Any) -> None:
    found = [(None, None, None, "", (address, 0)) for address in ("10.0.0.2", "10.0.0.1")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: found)
    assert each_address("http://ctr-scorer:8501/metrics") == [
        "http://10.0.0.1:8501/metrics",
        "http://10.0.0.2:8501/metrics",
    ]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: found[:1])
    assert each_address("http://ctr-scorer:8501/metrics") == ["http://ctr-scorer:8501/metrics"]


def test_processes_that_share_the_work_count_together() -> None:
    total = f"{metric_names.ROWS_WRITTEN.name}_total"
    one, other = (Scrape({total: [({}, value)]}) for value in (2.0, 3.0))
    assert Scrape.together([one, other]).value(metric_names.ROWS_WRITTEN) == 5.0
