"""Our own processes as parts of the local stack: Flink jobs, scorer, console, monitor."""

import sys
from typing import Literal

from deploy.local.part import Part, Port, RestartPolicy
from deploy.local.probes import console_probe, flink_probe, http_probe, scorer_probe

_FIVE_TIMES = RestartPolicy(limit=5)

Job = Literal["events", "learning"]


def flink_job_part(job: Job, *, rest_port: int, metrics_port: int, flink_metrics_port: int) -> Part:
    """Return a Flink job with its own embedded cluster; ready when all its tasks run.

    A job that died is started again and goes on from its newest retained checkpoint.
    """
    setting = f"CTR_LOCAL_{job.upper()}"
    return Part(
        name=job,
        command=(sys.executable, "-m", "streaming", job),
        probe=flink_probe(rest_port),
        ports=(
            Port(rest_port, f"{setting}_REST_PORT"),
            Port(metrics_port, f"{setting}_METRICS_PORT"),
            Port(flink_metrics_port, f"{setting}_FLINK_METRICS_PORT"),
        ),
        restart=_FIVE_TIMES,
        ready_timeout_seconds=180,
        grace_seconds=30,
    )


def scorer_part(*, port: int, metrics_port: int) -> Part:
    """Return the scorer; ready when gRPC answers, with or without a model to serve."""
    return Part(
        name="scorer",
        command=(sys.executable, "-m", "scorer"),
        probe=scorer_probe(port),
        ports=(
            Port(port, "CTR_LOCAL_SCORER_PORT"),
            Port(metrics_port, "CTR_LOCAL_SCORER_METRICS_PORT"),
        ),
        restart=_FIVE_TIMES,
        ready_timeout_seconds=120,
        grace_seconds=15,
    )


def console_part(*, port: int) -> Part:
    """Return the operator's web page; ready when it answers, whatever it has to tell."""
    return Part(
        name="console",
        command=(sys.executable, "-m", "deploy.console"),
        probe=console_probe(port),
        ports=(Port(port, "CTR_LOCAL_CONSOLE_PORT"),),
        restart=_FIVE_TIMES,
        ready_timeout_seconds=60,
        grace_seconds=10,
    )


def monitor_part(metrics_port: int) -> Part:
    """Return the monitor; ready when it answers Prometheus."""
    return Part(
        name="monitor",
        command=(sys.executable, "-m", "streaming", "monitor"),
        probe=http_probe(metrics_port, "/metrics"),
        ports=(Port(metrics_port, "CTR_LOCAL_MONITOR_METRICS_PORT"),),
        restart=_FIVE_TIMES,
    )
