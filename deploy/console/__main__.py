"""``python -m deploy.console`` serves the operator's web page until SIGTERM or Ctrl-C."""

import sys
from typing import NoReturn

import typer

from deploy.console.process import ConsoleProcess, StartError
from deploy.console.settings import ConsoleSettings
from schemas import avro_codec, log_lines
from schemas.settings import SettingsError, SharedSettings
from streaming.settings import StreamingSettings

app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def serve() -> None:
    """Serve. Settings: CTR_CONSOLE_*, CTR_STREAMING_* and the shared CTR_*. Exit code 2: cannot
    start."""
    try:
        settings, shared = ConsoleSettings.load(), SharedSettings.load()
        streaming = StreamingSettings.load()
        if shared.schema_dir is not None:
            avro_codec.learn(shared.schema_dir)
        log_lines.configure(shared.log_level)
        console = ConsoleProcess(settings, shared, streaming)
    except (SettingsError, StartError, avro_codec.SchemaFolderError) as error:
        refuse(error)
    console.run()


def refuse(error: Exception) -> NoReturn:
    """Say why the console cannot start, and end."""
    print(f"console: {error}", file=sys.stderr)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
