"""Trains and publishes the first model from history, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.demo.profiles import Profile
from streaming.adserver.open_bandit_source import log_file
from streaming.adserver.settings import AdServerSettings

TIMEOUT_SECONDS = 180.0
LINES_IN_FAILURE = 8


def adserver_environment(settings: AdServerSettings) -> dict[str, str]:
    """The settings as variables: the history of the world must be that of the world played."""
    values = settings.model_dump(mode="json")
    return {f"CTR_ADSERVER_{name.upper()}": str(value) for name, value in values.items()}


class TrainingFailed(RuntimeError):
    """The training did not end well; the message has its last lines."""


class Training:
    """``python -m bootstrap train`` on the source's history; it begins at once."""

    def __init__(
        self,
        profile: Profile,
        adserver: AdServerSettings,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bootstrap", "train", *_arguments(profile, adserver)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment, **adserver_environment(adserver)},
            )

    def wait(self) -> None:
        """Until the model is published. Raises TrainingFailed."""
        try:
            code = self._process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise TrainingFailed(
                f"no model after {TIMEOUT_SECONDS:.0f} s: see {self._log}"
            ) from None
        if code:
            lines = self._log.read_text(errors="replace").splitlines()[-LINES_IN_FAILURE:]
            raise TrainingFailed(
                "\n  ".join([f"ended with {code}; last lines of {self._log}:", *lines])
            )

    def end(self) -> None:
        """Kill it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _arguments(profile: Profile, adserver: AdServerSettings) -> list[str]:
    rows = profile.history_rows
    if profile.source == "world":
        return ["--dataset", "world", "--rows", str(rows)]
    if profile.source == "criteo":
        file = adserver.criteo_file
    else:
        file = log_file(adserver.open_bandit_folder)
    return ["--dataset", profile.source, "--file", str(file), "--rows", f"0:{rows}"]
