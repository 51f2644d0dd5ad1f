"""``python -m deploy.demo [world|criteo|open-bandit]``: the whole loop on one machine."""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
from rich.console import Console

from deploy.demo import picture
from deploy.demo.profiles import profile
from deploy.demo.report import Report
from deploy.demo.run import Demo
from deploy.demo.screen import Screen
from deploy.demo.settings import DemoSettings
from deploy.local.part import StackError
from streaming.adserver.session import SourceName
from streaming.adserver.source import SourceError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    source: Annotated[SourceName, typer.Argument(help="What the ad server plays.")] = "world",
    file: Annotated[
        Path | None, typer.Option(help="The log to replay; for open-bandit a folder, or obp.")
    ] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="Rows of a log to stream.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long the world goes on.")
    ] = None,
    kill_learner: Annotated[
        bool, typer.Option("--kill-learner", help="kill -9 the learning job on the way.")
    ] = False,
) -> None:
    """Real events through Kafka, Flink and Redis into a model that learns while it serves."""
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console()
    try:
        given = {"rows": rows, "seconds": seconds}
        settings = DemoSettings.load(**{k: v for k, v in given.items() if v is not None})
        chosen = profile(source, settings, file)
        run = Demo(
            chosen,
            settings,
            Screen(console, settings.line_seconds),
            kill_learner_after=chosen.kill_after_samples if kill_learner else None,
        )
        run.require_data()
    except (StackError, SourceError, ValueError) as error:
        _fail(str(error), 2)
    with run.stack:
        report = run.run()
        _publish(report, settings, console)
    if report.failures:
        raise typer.Exit(1)


def _publish(report: Report, settings: DemoSettings, console: Console) -> None:
    console.print(report.screen())
    settings.json_path.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    console.print(f"summary: {settings.json_path}", highlight=False)
    if report.play is not None:
        picture.draw(report.play, settings.picture_path)
        console.print(f"picture: {settings.picture_path}", highlight=False)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(code)


def main() -> None:
    """Log lines of libraries go to stderr; Ctrl-C is no traceback."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
    )
    app()


if __name__ == "__main__":
    main()
