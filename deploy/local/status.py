"""The state of the stack for people (a table) and for programs (JSON)."""

import json

from rich.table import Table

from deploy.local.state import PartState, Phase, StackState

_COLUMNS = ("part", "state", "pid", "ports", "uptime", "restarts", "detail")


def is_healthy(state: StackState) -> bool:
    """Tell whether the stack runs and every part of it is healthy."""
    return state.phase is Phase.RUNNING and all(part.healthy for part in state.parts)


def as_json(state: StackState, now: float) -> str:
    """Return one JSON object; ``now`` in epoch seconds."""
    parts = [
        {**part.model_dump(mode="json"), "uptime_seconds": _uptime_seconds(part, now)}
        for part in state.parts
    ]
    return json.dumps(
        {**state.model_dump(mode="json"), "parts": parts, "healthy": is_healthy(state)}
    )


def as_table(state: StackState, now: float) -> Table:
    """Return one row a part, green where it is healthy and red where not."""
    table = Table(title=f"local stack: {state.phase}", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column)
    for part in state.parts:
        colour = "green" if part.healthy else "red"
        uptime = _uptime_seconds(part, now)
        table.add_row(
            part.name,
            f"[{colour}]{part.state}[/{colour}]",
            str(part.pid or "-"),
            " ".join(str(port) for port in part.ports),
            "-" if uptime is None else f"{uptime // 60}:{uptime % 60:02d}",
            str(part.restarts),
            part.detail,
        )
    return table


def _uptime_seconds(part: PartState, now: float) -> int | None:
    return None if part.started_at is None else int(now - part.started_at)
