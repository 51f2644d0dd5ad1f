"""Flink's REST API: what runs, checkpoints, savepoints."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10.0
ENDED = ("FINISHED", "CANCELED", "FAILED")
#: Not NATIVE: with timers on the heap and other state in RocksDB, Flink 2.3.0 leaves the timers out
#: of native savepoints, and labels that were due would never come.
FORMAT = "CANONICAL"


class FlinkRestError(RuntimeError):
    """Flink refused a request; the message is the first line of its answer."""


class FlinkUnreachableError(FlinkRestError):
    """Nothing answers at the address."""


class Progress(StrEnum):
    """Of an operation that Flink does in the background."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as Flink lists it; ``tasks`` counts tasks by state, without states that are empty."""

    id: str
    name: str
    state: str
    started_ms: int
    tasks: Mapping[str, int]

    @property
    def is_running(self) -> bool:
        """All of its tasks run, which is later than that the job does."""
        return self.state == "RUNNING" and set(self.tasks) == {"running"}

    @property
    def has_ended(self) -> bool:
        """It holds no slots any more and never will."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """How the checkpoints of a job went; paths as Flink writes them (``file:/…``)."""

    completed: int
    failed: int
    newest_path: str | None
    newest_ms: int | None
    newest_bytes: int | None
    restored_path: str | None


@dataclass(frozen=True, slots=True)
class Savepoint:
    """One that is complete; its path as Flink writes it (``s3://…``)."""

    path: str
    taken_ms: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SavepointAnswer:
    """``path`` once it is completed; ``failure`` when it ended otherwise."""

    progress: Progress
    path: str | None
    failure: str | None


class FlinkRest:
    """One Flink cluster at ``url``. Every method raises FlinkUnreachableError or FlinkRestError."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def jobs(self) -> list[Job]:
        """All jobs that Flink remembers, the newest first."""
        listed = [
            Job(
                id=job["jid"],
                name=job["name"],
                state=job["state"],
                started_ms=job["start-time"],
                tasks={k: n for k, n in job["tasks"].items() if n and k != "total"},
            )
            for job in self._call("/jobs/overview")["jobs"]
        ]
        return sorted(listed, key=lambda job: -job.started_ms)

    def job(self, job_id: str) -> Job:
        """One job. Raises FlinkRestError when Flink has forgotten it."""
        found = next((job for job in self.jobs() if job.id == job_id), None)
        if found is None:
            raise FlinkRestError(f"{self.url} has forgotten job {job_id}")
        return found

    def failure(self, job_id: str) -> str | None:
        """Innermost cause of the newest failure of a job or of one of its tasks; None without."""
        history = self._call(f"/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        return _innermost(history[0]["stacktrace"]) if history else None

    def cancel(self, job_id: str) -> None:
        """Begin to end a job without a savepoint; its checkpoints stay."""
        self._call(f"/jobs/{job_id}?mode=cancel", {}, "PATCH")

    def free_slots(self) -> int:
        """Slots of all TaskManagers that no job holds."""
        return int(self._call("/overview")["slots-available"])

    def parallelism(self, job_id: str) -> int:
        """Of its widest vertex, which is also how many slots a job holds."""
        return max(int(v["parallelism"]) for v in self._call(f"/jobs/{job_id}")["vertices"])

    def checkpoints(self, job_id: str) -> Checkpoints:
        """Of one job."""
        answer = self._call(f"/jobs/{job_id}/checkpoints")
        newest = answer["latest"]["completed"] or {}
        restored = answer["latest"]["restored"] or {}
        return Checkpoints(
            completed=answer["counts"]["completed"],
            failed=answer["counts"]["failed"],
            newest_path=newest.get("external_path"),
            newest_ms=newest.get("latest_ack_timestamp"),
            newest_bytes=newest.get("state_size"),
            restored_path=restored.get("external_path"),
        )

    def operator_records(self, job_id: str, operator: str) -> int:
        """By operators whose names begin with ``operator``, also if others are chained to them."""
        total = 0
        for vertex in self._call(f"/jobs/{job_id}")["vertices"]:
            path = f"/jobs/{job_id}/vertices/{vertex['id']}/subtasks/metrics"
            names = [
                metric["id"]
                for metric in self._call(path)
                if metric["id"].startswith(operator) and metric["id"].endswith(".numRecordsOut")
            ]
            if names:
                total += sum(
                    int(m["sum"]) for m in self._call(f"{path}?get={quote(','.join(names))}")
                )
        return total

    def newest_savepoint(self, job_id: str) -> Savepoint | None:
        """The last that is complete since the job was started; None without."""
        newest = self._call(f"/jobs/{job_id}/checkpoints")["latest"]["savepoint"]
        if newest is None:
            return None
        return Savepoint(
            newest["external_path"], newest["latest_ack_timestamp"], newest["state_size"]
        )

    def trigger_savepoint(self, job_id: str, target: str | None) -> str:
        """Begin a savepoint, without ``target`` where the job's configuration says; returns the id
        to ask for."""
        body: dict[str, Any] = {"cancel-job": False, "formatType": FORMAT}
        if target is not None:
            body["target-directory"] = target
        return str(self._call(f"/jobs/{job_id}/savepoints", body)["request-id"])

    def trigger_stop(self, job_id: str, target: str, drain: bool) -> str:
        """Begin to stop with a savepoint; returns the id to ask for. ``drain`` ends event time:
        all windows and timers fire, so the job must not go on from that savepoint."""
        body = {"targetDirectory": target, "drain": drain, "formatType": FORMAT}
        return str(self._call(f"/jobs/{job_id}/stop", body)["request-id"])

    def savepoint(self, job_id: str, request_id: str) -> SavepointAnswer:
        """How a savepoint, or the one of a stop, is doing."""
        answer = self._call(f"/jobs/{job_id}/savepoints/{request_id}")
        operation = answer["operation"] or {}
        cause = operation.get("failure-cause")
        failure = None if cause is None else _first_line(cause.get("stack-trace", str(cause)))
        return SavepointAnswer(Progress(answer["status"]["id"]), operation.get("location"), failure)

    def _call(
        self, path: str, body: Mapping[str, Any] | None = None, method: str | None = None
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise FlinkRestError(f"{path}: {_errors(error.read())}") from None
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise FlinkUnreachableError(f"no Flink answers at {self.url}: {reason}") from None


def _errors(body: bytes) -> str:
    try:
        return "; ".join(_first_line(error) for error in json.loads(body)["errors"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:300]


def _innermost(stack_trace: str) -> str:
    causes = [line for line in stack_trace.splitlines() if line.startswith("Caused by: ")]
    return causes[-1].removeprefix("Caused by: ") if causes else _first_line(stack_trace)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason was given"
