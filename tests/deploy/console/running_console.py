"""The console as its own process, and plain HTTP requests to it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from deploy.local.ports import HOST, free_ports

CREDENTIAL = "a-credential-of-the-tests"
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Of an HTTP request; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        value: dict[str, Any] = json.loads(self.body)
        return value


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_opener = build_opener(_NoRedirect())


@dataclass
class RunningConsole:
    """Use as a context manager; it must end by SIGTERM with exit code 0."""

    log: Path
    environment: dict[str, str]
    credential: str = CREDENTIAL
    port: int = field(default_factory=lambda: free_ports(1)[0])

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> "RunningConsole":
        own = {
            "CTR_CONSOLE_PORT": str(self.port),
            "CTR_CONSOLE_CREDENTIAL": self.credential,
            "CTR_CONSOLE_POLL_SECONDS": "0.25",
            "CTR_CONSOLE_TIMEOUT_SECONDS": "2",
        }
        shell = {k: v for k, v in os.environ.items() if not k.startswith("CTR_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.console"],
                env={**shell, **own, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.request("/healthz")
                return
            except URLError:
                assert self.lives, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(30)
        assert code == 0, self.log.read_text()

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def request(
        self, path: str, body: Any = None, method: str | None = None, **headers: str
    ) -> Answer:
        """A request; a body that is no bytes is sent as JSON. Refusals are answers, too."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(self.url + path, data, named, method=method)
        try:
            with _opener.open(request, timeout=30) as answer:
                return _answer(answer)
        except HTTPError as error:
            return _answer(error)

    def log_in(self, credential: str = CREDENTIAL) -> Answer:
        return self.request("/login", f"credential={credential}".encode())

    def act(self, path: str, body: Any) -> Answer:
        """As an operator, by the header."""
        return self.request(path, body, authorization=f"Bearer {self.credential}")

    def until(self, path: str, holds: Any, seconds: float = 30.0) -> dict[str, Any]:
        """The values of an endpoint once they hold."""
        deadline = time.monotonic() + seconds
        while True:
            values = self.request(path).json()
            if holds(values):
                return values
            assert time.monotonic() < deadline, values
            time.sleep(0.1)


def _answer(answer: Any) -> Answer:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, headers, answer.read().decode())
