"""What a play shows while it runs: a live line on a terminal, a log line every few seconds else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.live import Live
from rich.text import Text

from streaming.adserver.session import Session

TERMINAL_SECONDS = 0.5
LOG_SECONDS = 5.0
RECENT_ROWS = 2_000
_log = structlog.get_logger(__name__)


@contextmanager
def show_progress(session: Session, console: Console) -> Iterator[None]:
    """Show progress until the block ends."""
    ended = threading.Event()
    target = _live if console.is_terminal else _lines
    thread = threading.Thread(target=target, args=(session, console, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _live(session: Session, console: Console, ended: threading.Event) -> None:
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        while not ended.wait(TERMINAL_SECONDS):
            facts = _facts(session)
            live.update(Text("   ".join(f"{name} {value}" for name, value in facts.items())))


def _lines(session: Session, console: Console, ended: threading.Event) -> None:
    while not ended.wait(LOG_SECONDS):
        facts = _facts(session)
        if facts:
            _log.info("playing", **facts)


def _facts(session: Session) -> dict[str, str]:
    tally = session.tally
    if tally is None:
        return {}
    facts = {
        "answered": f"{tally.answered:,}",
        "unanswered": f"{sum(tally.unanswered.values()):,}",
        "impressions": f"{tally.impressions:,}",
        "clicks": f"{tally.clicks:,}",
        "model": tally.model_version,
    }
    recent = session.validation.summary(last=RECENT_ROWS)
    if recent is not None:
        facts["log_loss"] = f"{recent.served.log_loss:.4f}"
        facts["constant"] = f"{recent.constant.log_loss:.4f}"
        if recent.frozen is not None:
            facts["frozen"] = f"{recent.frozen.log_loss:.4f}"
        if recent.served.auc is not None:
            facts["auc"] = f"{recent.served.auc:.4f}"
    return facts
