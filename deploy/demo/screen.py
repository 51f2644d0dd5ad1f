"""Where a run is shown: steps as lines, the play live on a terminal or as a line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from deploy.demo import view
from deploy.demo.watch import Sight


class Screen:
    """Notes and sights of one run. Steps are timed from :meth:`step` to :meth:`step`."""

    def __init__(self, console: Console, line_seconds: float) -> None:
        self._console = console
        self._line_seconds = line_seconds
        self._started = time.monotonic()
        self._next_line = 0.0
        self._live: Live | None = None
        self.notes: list[str] = []

    @contextmanager
    def step(self, name: str, times: dict[str, float]) -> Iterator[None]:
        """Say that a step begins and, in ``times`` too, how long it took."""
        began = time.monotonic()
        self.say(f"{name} …")
        try:
            yield
        finally:
            times[name] = round(time.monotonic() - began, 1)
        self.say(f"{name}: {times[name]:.1f} s")

    def say(self, text: str) -> None:
        """A line with the time since the beginning."""
        at = time.monotonic() - self._started
        self._console.print(f"{at:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Something that stays in view for the rest of the play."""
        self.notes.append(text)
        self.say(text)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While :meth:`show` is called; on a terminal the view is redrawn in place."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def show(self, title: str, sight: Sight) -> None:
        """The newest sight."""
        if self._live is not None:
            self._live.update(view.panel(title, sight, self.notes), refresh=True)
        elif sight.at >= self._next_line:
            self._next_line = sight.at + self._line_seconds
            self.say(view.line(sight))
