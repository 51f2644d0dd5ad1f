"""``python -m deploy.drill``: exit code 0 if every alert fired and cleared in time."""

import json
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.table import Table

from deploy.demo.bootstrapping import Training, TrainingFailed, adserver_environment
from deploy.demo.environment import (
    adserver_settings,
    empty_folder,
    local_settings,
    shared_settings,
    stream_environment,
)
from deploy.demo.profiles import Profile, profile
from deploy.demo.settings import DemoSettings
from deploy.drill.alerts import ConsoleAlerts, PrometheusAlerts
from deploy.drill.faults import Fault, Faults, nothing
from deploy.drill.rules import scaled_rules
from deploy.drill.screens import Screens
from deploy.drill.traffic import Traffic, TrafficEnded
from deploy.local.part import StackError
from deploy.local.ports import HOST
from deploy.local.prometheus_server import RULES
from deploy.local.settings import LocalSettings
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
TABLE_WIDTH = 140
_screen = Console(stderr=True)


def drill(
    only: Annotated[str, typer.Option(help="alerts with commas; all if none")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Break a local stack five ways and time its alerts (about ten minutes).

    Pictures of the console while each alert fires are left in .local/drill/screens.
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = DemoSettings(data=Path(".local/drill"), history_rows=40_000)
    world = profile("world", settings, None)
    world = replace(world, adserver={**world.adserver, **STEADY_WORLD})
    local = local_settings(world, settings)
    empty_folder(local.folder)
    rules = local.folder / "rules"
    scaled_rules(RULES, rules, FACTOR)
    local = local.model_copy(update={"prometheus_rules": rules})
    try:
        results, empty = _drilled(world, local, {name for name in only.split(",") if name})
    except (StackError, TrafficEnded, TrainingFailed) as error:
        _screen.print(f"the drill cannot go on: {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps({"faults": results, "board_queries_without_data": empty}))
    else:
        # As wide as the table, also into a file.
        out = Console() if sys.stdout.isatty() else Console(width=TABLE_WIDTH)
        out.print(_table(results))
        out.print(f"{len(empty)} of the boards' {len(queries())} queries find no data", *empty)
        out.print(f"pictures of the console: {local.folder / 'screens'}")
    raise typer.Exit(0 if all(result["passed"] for result in results) and not empty else 1)


def _drilled(
    world: Profile, local: LocalSettings, only: Collection[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Results of the faults, and queries of boards without data.

    Raises StackError, TrainingFailed or TrafficEnded when something broke that should not."""
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
        traffic = Traffic(environment, local.folder / "logs" / "adserver.log", _screen.print)
        faults = Faults(stack, shared_settings(environment), traffic)
        chosen = [fault for fault in faults.all() if not only or fault.alert in only]

        def keep_up() -> None:
            traffic.keep_up()
            faults.require_parts()

        prometheus = PrometheusAlerts(f"http://{HOST}:{local.prometheus_port}", keep_up)
        address = f"http://{HOST}:{local.console_port}"
        with Screens(address, local.folder / "screens") as screens:
            attempt = Attempt(prometheus, ConsoleAlerts(address, keep_up), screens)
            try:
                traffic(True)
                results = [attempt.of(fault) for fault in chosen]
                return results, prometheus.without_data(queries(), CALM_SECONDS)
            finally:
                faults.put_right()
                traffic(False)


def queries() -> list[str]:
    """Of all panels of the boards."""
    return [
        query for board in boards() for panel in board.panels for query in panel.queries.values()
    ]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One fault after the other, seen by Prometheus, the console and a browser."""

    prometheus: PrometheusAlerts
    console: ConsoleAlerts
    screens: Screens

    def of(self, fault: Fault) -> dict[str, Any]:
        """Wait for silence, break, wait until the alert fires, mend, wait until it clears."""
        alert = fault.alert
        _screen.print(f"{fault.name}: waiting until {alert} is silent")
        calm = self.prometheus.seconds_until(alert, False, CALM_SECONDS, nothing)
        time.sleep(5)
        before = self.prometheus.firing()
        _screen.print(f"{fault.name}: begins")
        fault.begin()
        fired = self.prometheus.seconds_until(alert, True, fault.fire_seconds, fault.go_on)
        shown = self.console.seconds_until(alert, True, SHOWN_SECONDS, fault.go_on)
        others = sorted(self.prometheus.firing() - before - {alert})
        picture = self.screens.take(fault.name, alert)
        _screen.print(f"{fault.name}: {alert} fired after {fired} s, also {others}; mending")
        fault.end()
        cleared = self.prometheus.seconds_until(alert, False, fault.clear_seconds, nothing)
        _screen.print(f"{fault.name}: cleared after {cleared} s")
        return {
            "fault": fault.name,
            "alert": alert,
            "fired_after_seconds": fired,
            "in_console_after_seconds": shown,
            "cleared_after_seconds": cleared,
            "also_fired": others,
            "picture": None if picture is None else str(picture),
            "passed": None not in (calm, fired, shown, cleared) and alert not in before,
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
