"""The console's process: checks what it needs, wires, serves until told to end."""

import asyncio
import os
import socket
from types import FrameType

import structlog
import uvicorn

from deploy.console.app import FOLDER, application
from deploy.console.engine import Engine
from deploy.console.metrics import ConsoleMetrics
from deploy.console.sessions import Sessions
from deploy.console.settings import ConsoleSettings
from schemas.settings import SharedSettings
from streaming.settings import StreamingSettings

GRACE_SECONDS = 3
MOST_CONNECTIONS = 500
_log = structlog.get_logger("console")


class StartError(RuntimeError):
    """The console cannot start; the message says why and the remedy."""


class ConsoleProcess:
    """Parts of the engine may be down: to show that is what the console is for. It needs its port
    and its own files only."""

    def __init__(
        self, settings: ConsoleSettings, shared: SharedSettings, streaming: StreamingSettings
    ) -> None:
        """Raises StartError."""
        if not (FOLDER / "static" / "vendor" / "uplot").is_dir():
            raise StartError(f"no {FOLDER / 'static'}: the console is installed without its files")
        self._settings = settings
        self._socket = _listening(settings)
        self.port: int = self._socket.getsockname()[1]
        self.engine = Engine(settings, shared, streaming, ConsoleMetrics())
        sessions = Sessions(settings.credential, 60 * settings.session_minutes)
        self._server = _Server(
            uvicorn.Config(
                application(self.engine, sessions),
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            ),
            self.engine,
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        self.engine.start()
        _log.info(
            "console is up",
            address=f"http://{self._settings.host}:{self.port}",
            read_only=not self._settings.credential.get_secret_value(),
        )
        asyncio.run(self._server.serve([self._socket]))
        _log.info("console has stopped")


class _Server(uvicorn.Server):
    """Ends streams on a signal: their browsers would hold up the end of the server."""

    def __init__(self, config: uvicorn.Config, engine: Engine) -> None:
        super().__init__(config)
        self._engine = engine

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Not uvicorn's: it would raise the signal again when all is done."""
        self._engine.stop()
        self.should_exit = True


def _listening(settings: ConsoleSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port))
    except OSError as error:
        raise StartError(
            f"cannot listen on {settings.host}:{settings.port}: {os.strerror(error.errno or 0)}; "
            "set CTR_CONSOLE_PORT"
        ) from None
