"""``python -m deploy.drill``: exit code 0 if every alert fired and cleared in time."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.table import Table

from deploy.demo.bootstrapping import Training, adserver_environment
from deploy.demo.environment import (
    adserver_settings,
    empty_folder,
    local_settings,
    shared_settings,
    stream_environment,
)
from deploy.demo.profiles import profile
from deploy.demo.settings import DemoSettings
from deploy.drill.alerts import ConsoleAlerts, PrometheusAlerts
from deploy.drill.faults import Fault, Faults, nothing
from deploy.drill.rules import scaled_rules
from deploy.local.ports import HOST
from deploy.local.prometheus_server import RULES
from deploy.local.stack import LocalStack
from deploy.monitoring.boards import boards

#: Every ``for:`` is shortened by this; windows and thresholds are the real ones.
FACTOR = 10.0
CALM_SECONDS = 300.0
#: Calibration is judged by labels of so many minutes: with 15, a roll-back would clear so late.
MONITOR_MINUTES = 2.0
#: A model that is put back after a fault is still right.
STEADY_WORLD = {"requests_per_second": 40.0, "world_drift_period_seconds": 86_400.0}
#: From Prometheus' alert to the console's, which looks every two seconds.
SHOWN_SECONDS = 30.0
_screen = Console(stderr=True)


class Traffic:
    """The stand-in ad server as a process, on and off."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, wanted: bool) -> None:
        """Play or stop playing."""
        if wanted == (self._process is not None):
            return
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
            return
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streaming.adserver", "world", "--seconds", "7200"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
            )


def drill(
    only: Annotated[str, typer.Option(help="alerts with commas; all if none")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Break a local stack five ways and time its alerts (about ten minutes)."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = DemoSettings(data=Path(".local/drill"), history_rows=40_000)
    world = profile("world", settings, None)
    world = replace(world, adserver={**world.adserver, **STEADY_WORLD})
    local = local_settings(world, settings)
    empty_folder(local.folder)
    rules = local.folder / "rules"
    scaled_rules(RULES, rules, FACTOR)
    local = local.model_copy(update={"prometheus_rules": rules})
    adserver = adserver_settings(world, local)
    more = {"CTR_STREAMING_MONITOR_MINUTES": str(MONITOR_MINUTES)}
    with LocalStack(local, environment={**stream_environment(world), **more}) as stack:
        _screen.print("starting the stack, training a first model")
        stack.start(["kafka", "redis", "events"])
        environment = {**stack.environment(), **adserver_environment(adserver)}
        training = Training(world, adserver, environment, local.folder / "logs" / "bootstrap.log")
        try:
            training.wait()
        finally:
            training.end()
        stack.start(["learning", "scorer", "monitor", "prometheus", "console"])
        traffic = Traffic(environment, local.folder / "logs" / "adserver.log")
        faults = Faults(stack, shared_settings(environment), traffic)
        chosen = [f for f in faults.all() if not only or f.alert in only.split(",")]
        alerts = PrometheusAlerts(f"http://{HOST}:{local.prometheus_port}")
        console = ConsoleAlerts(f"http://{HOST}:{local.console_port}")
        try:
            traffic(True)
            results = [_try(fault, alerts, console) for fault in chosen]
            empty = alerts.without_data(queries(), CALM_SECONDS)
        finally:
            faults.put_right()
            traffic(False)
    if as_json:
        print(json.dumps({"faults": results, "board_queries_without_data": empty}))
    else:
        Console().print(_table(results))
        Console().print(
            f"{len(empty)} of the boards' {len(queries())} queries find no data", *empty
        )
    raise typer.Exit(0 if all(result["passed"] for result in results) and not empty else 1)


def queries() -> list[str]:
    """Of all panels of the boards."""
    return [
        query for board in boards() for panel in board.panels for query in panel.queries.values()
    ]


def _try(fault: Fault, alerts: PrometheusAlerts, console: ConsoleAlerts) -> dict[str, Any]:
    """Wait until the alert is silent, break, wait until it fires, mend, wait until it clears."""
    _screen.print(f"{fault.name}: waiting until {fault.alert} is silent")
    calm = alerts.seconds_until(fault.alert, False, CALM_SECONDS, nothing)
    time.sleep(5)
    before = alerts.firing()
    _screen.print(f"{fault.name}: begins")
    fault.begin()
    fired = alerts.seconds_until(fault.alert, True, fault.fire_seconds, fault.go_on)
    shown = console.seconds_until(fault.alert, True, SHOWN_SECONDS, fault.go_on)
    others = sorted(alerts.firing() - before - {fault.alert})
    _screen.print(f"{fault.name}: {fault.alert} fired after {fired} s, also {others}; mending")
    fault.end()
    cleared = alerts.seconds_until(fault.alert, False, fault.clear_seconds, nothing)
    _screen.print(f"{fault.name}: cleared after {cleared} s")
    return {
        "fault": fault.name,
        "alert": fault.alert,
        "fired_after_seconds": fired,
        "in_console_after_seconds": shown,
        "cleared_after_seconds": cleared,
        "also_fired": others,
        "passed": None not in (calm, fired, shown, cleared) and fault.alert not in before,
    }


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table(title=f"alert drill; every for: divided by {FACTOR:g}", title_justify="left")
    times = ("fires after", "in console after", "clears after")
    for column in ("fault", "alert", *times, "also fires", ""):
        table.add_column(column)
    for result in results:
        table.add_row(
            result["fault"],
            result["alert"],
            _seconds(result["fired_after_seconds"]),
            _seconds(result["in_console_after_seconds"]),
            _seconds(result["cleared_after_seconds"]),
            ", ".join(result["also_fired"]),
            "[green]as it should[/green]" if result["passed"] else "[red]missing[/red]",
        )
    return table


def _seconds(value: float | None) -> str:
    return "not in time" if value is None else f"{value:.0f} s"


if __name__ == "__main__":
    typer.run(drill)
