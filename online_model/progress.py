"""How far a long command is, on stderr; silent where stderr is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Rows a second, of late."""
        return Text("" if task.speed is None else f"{task.speed:,.0f} rows/s")


@contextmanager
def rows_progress(
    what: str, total: int | None, shown: bool = True
) -> Iterator[Callable[[int], None]]:
    """A bar that counts rows, or whatever else the caller tells of, with speed and time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, disable=not (shown and console.is_terminal)
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda rows: progress.advance(task, rows)
