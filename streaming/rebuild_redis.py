"""``python -m streaming rebuild-redis``: all rows of Redis once more, from the running events job.

Counters and last clicks come from the job's state, ads and users from their topics. The job does so
by itself when Redis was emptied, restarted or failed over; the command is for every other doubt.
"""

import json
import time
from collections.abc import Callable
from typing import Annotated, Any

import redis
import typer
from redis.exceptions import RedisClusterException
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas import redis_keys
from schemas.settings import SettingsError, SharedSettings
from stores.redis_client import connect
from streaming.flink_rest import FlinkRest, FlinkRestError
from streaming.savepoints import JobNotFoundError, running_job
from streaming.settings import JobName, StreamingSettings

POLL_SECONDS = 0.2
#: Fields of REWRITE that are no part.
_HEAD_FIELDS = 3
OnProgress = Callable[[int, int], None]


class RebuildError(RuntimeError):
    """Not all rows are in Redis; the message says why."""


def rebuild_redis(
    timeout: Annotated[float, typer.Option(min=1, help="seconds to wait")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Have the running events job write all rows of Redis again, and wait until it has.

    Exit code 1: it has not; the message says why.
    """
    try:
        shared, settings = SharedSettings.load(), StreamingSettings.load()
        running_job(FlinkRest(settings.rest_url(JobName.EVENTS)), JobName.EVENTS)
        columns = (TextColumn("writing all rows"), BarColumn(), MofNCompleteColumn())
        screen = Console(stderr=True)
        with (
            connect(shared.redis) as client,
            Progress(*columns, TimeElapsedColumn(), console=screen) as progress,
        ):
            task = progress.add_task("parts", total=None)
            answer = rebuild(
                client,
                timeout,
                lambda done, parts: progress.update(task, completed=done, total=parts),
            )
    except JobNotFoundError as error:
        _fail(RebuildError(f"{error}: start it, and it writes what Redis lacks by itself"))
    except (
        SettingsError,
        FlinkRestError,
        RebuildError,
        redis.RedisError,
        RedisClusterException,
        ValueError,
    ) as error:
        _fail(error)
    print(json.dumps(answer) if as_json else f"all rows are written, request {answer['request']}")


def rebuild(client: redis.Redis, timeout_seconds: float, on_progress: OnProgress) -> dict[str, Any]:
    """Ask and wait. Raises RebuildError after the time-out, or redis.RedisError."""
    store: Any = client
    start = time.monotonic()
    before = store.hget(redis_keys.REWRITE, "request")
    # The request, too: one that is under way would otherwise go on, and no new one come.
    store.delete(redis_keys.ROWS_COMPLETE, redis_keys.REWRITE)
    while True:
        fields = store.hgetall(redis_keys.REWRITE)
        seconds = round(time.monotonic() - start, 1)
        request = fields.get(b"request")
        if request is not None and request != before:
            done, parts = len(fields) - _HEAD_FIELDS, int(fields[b"parts"])
            on_progress(done, parts)
            if store.exists(redis_keys.ROWS_COMPLETE):
                return {"request": request.decode(), "parts": parts, "seconds": seconds}
        if seconds > timeout_seconds:
            raise RebuildError(
                f"not all rows were written in {timeout_seconds:g} s; the job goes on with it"
            )
        time.sleep(POLL_SECONDS)


def _fail(error: Exception) -> None:
    Console(stderr=True).print(f"[red]{escape(str(error))}[/red]", highlight=False)
    raise typer.Exit(1) from None
