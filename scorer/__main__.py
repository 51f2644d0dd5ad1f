"""``python -m scorer`` serves until SIGTERM or Ctrl-C; ``experiment-report`` judges its arms."""

import os
import signal
import sys
import threading
from typing import NoReturn

import typer

from scorer.experiments.command import experiment_report

app = typer.Typer(help=__doc__, add_completion=False)
app.command()(experiment_report)


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Without a command: serve."""
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve() -> None:
    """Serve. Settings: CTR_SCORER_* and the shared CTR_* variables. Exit code 2: cannot start."""
    # Threads of numerical libraries fight with those of requests; they are read at import.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from prometheus_client import REGISTRY

    from schemas import avro_codec, log_lines
    from schemas.settings import SettingsError, SharedSettings
    from scorer.settings import ScorerSettings

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        shared, settings = SharedSettings.load(), ScorerSettings.load()
        if shared.schema_dir is not None:
            avro_codec.learn(shared.schema_dir)
    except (SettingsError, avro_codec.SchemaFolderError) as error:
        refuse(error)
    from scorer.memory.background import keep_what_is_imported
    from scorer.process import ScorerProcess
    from scorer.requirements import StartError
    from scorer.supervisor import Supervisor

    log_lines.configure(shared.log_level)
    keep_what_is_imported()
    try:
        if settings.workers:
            Supervisor(shared, settings).run(stopping)
        else:
            ScorerProcess(shared, settings, REGISTRY).run(stopping)
    except StartError as error:
        refuse(error)


def refuse(error: Exception) -> NoReturn:
    """Say why the scorer cannot start, and end."""
    print(f"scorer: {error}", file=sys.stderr)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
