"""One run of chaos: send while faults strike, let all windows close, and close the accounts."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas import topics
from schemas.records import Engagement, TrainingSample
from schemas.served_token import TokenKeys
from tests.chaos import accounts, outputs
from tests.chaos.accounts import Account, Truth
from tests.chaos.engine import Engine
from tests.chaos.faults import Fault, Striker, plan
from tests.chaos.history import END_MS, OUT_OF_ORDER_MS, RULES, History
from tests.chaos.sender import Sender
from tests.streaming.jobs.expected import counter_rows, last_clicks, outcome

WATERMARK_MS = END_MS - OUT_OF_ORDER_MS
PATIENCE_SECONDS = 600.0
POLL_SECONDS = 1.0
T = TypeVar("T")


@dataclass(slots=True)
class Result:
    """What was done and what came of it."""

    impressions: int
    events: int
    seed: int
    faults: list[str] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)
    restored: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Every account is closed."""
        return bool(self.accounts) and all(account.is_closed for account in self.accounts)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "is_good": self.is_good}


class Run:
    """``rate`` is in events a second."""

    def __init__(
        self, folder: Path, impressions: int, seed: int, rate: float, screen: Console
    ) -> None:
        self._engine = Engine(folder)
        keys = TokenKeys.parse(self._engine.token_keys)
        self._history = History(impressions, seed, keys, self._engine.spec)
        self._sender = Sender(self._engine.bootstrap, self._history, rate)
        self._screen = screen
        self.result = Result(impressions, len(self._history.events), seed)

    def run(self) -> Result:
        """All of it. Raises RuntimeError, or StackError, if the engine does not come back."""
        with self._engine as engine:
            self._timed("start", engine.start)
            self._timed("send and strike", self._send_and_strike)
            truth = self._timed("oracle", self._truth)
            self._timed("counters", lambda: self._wait_for_counters(truth))
            self._timed("drain events", engine.drain_events)
            samples = self._timed(
                "read samples",
                lambda: outputs.read_distinct(
                    engine.bootstrap, topics.TRAINING_SAMPLES, TrainingSample
                ),
            )
            self._timed("drain learning", engine.drain_learning)
            self._timed("accounts", lambda: self._close(truth, samples))
            self.result.restarts = engine.restarts()
        return self.result

    def _timed(self, what: str, step: Callable[[], T]) -> T:
        began = time.monotonic()
        answer = step()
        self.result.seconds[what] = round(time.monotonic() - began, 1)
        self._screen.print(f"{what}: {self.result.seconds[what]:,.1f} s")
        return answer

    def _send_and_strike(self) -> None:
        total = self.result.events
        striker = Striker(self._engine)
        columns = (TextColumn("events"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._screen) as progress:
            task = progress.add_task("events", total=total)

            def seen(number: int) -> None:
                progress.update(task, completed=number)

            sent = 0
            for fault in plan(total, self.result.seed):
                self._sender.send(sent, fault.after, seen)
                sent = fault.after
                self._strike(striker, fault)
            self._sender.send(sent, total, seen)
        striker.recover()
        self._sender.flush()
        self.result.restored = striker.restored

    def _strike(self, striker: Striker, fault: Fault) -> None:
        striker.strike(fault)
        self._screen.print(f"after {fault.after:,} events: {fault}")
        self.result.faults.append(f"{fault.after}: {fault}")

    def _truth(self) -> Truth:
        truth = Truth()
        engagements: list[Engagement] = []
        for group in self._history.entries(self._sender.partitions, self._sender.offsets):
            part = outcome(group, RULES)
            truth.refused |= part.refused
            engagements += part.engagements
            for sample in part.samples:
                truth.add(sample)
            for engagement in part.engagements:
                truth.add(engagement)
        truth.counters = counter_rows(engagements, WATERMARK_MS)
        truth.last_clicks = last_clicks(engagements, WATERMARK_MS)
        return truth

    def _wait_for_counters(self, truth: Truth) -> None:
        """Or for the end of patience: the accounts will tell."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            counters, clicks = self._redis_rows()
            if counters == truth.counters and clicks == truth.last_clicks:
                return
            time.sleep(POLL_SECONDS)

    def _redis_rows(self) -> tuple[dict[str, Any], dict[str, Any]]:
        users = outputs.read_users(self._engine.redis)
        clicks = {name: tuple(row.clicked_ads) for name, row in users.items() if row.clicked_ads}
        return outputs.read_counters(self._engine.redis, users), clicks

    def _close(self, truth: Truth, samples: outputs.Distinct) -> None:
        bootstrap = self._engine.bootstrap
        engagements = outputs.read_distinct(bootstrap, topics.ENGAGEMENTS, Engagement)
        learner = outputs.read_learner(self._engine.redis)
        counters, clicks = self._redis_rows()
        sent = self.result.events
        held = sum(
            outputs.count_records(bootstrap, topic) for topic in (topics.IMPRESSIONS, topics.CLICKS)
        )
        self.result.accounts = [
            Account("events sent and in Kafka", sent, held, abs(sent - held)),
            *accounts.labels(truth, samples),
            accounts.records("samples", truth.samples, samples),
            accounts.records("engagements", truth.engagements, engagements),
            accounts.dead_letters(truth, outputs.read_letters(bootstrap)),
            accounts.rows("counters in Redis", truth.counters, counters),
            accounts.rows("lists of last clicks in Redis", truth.last_clicks, clicks),
            accounts.lake(truth, outputs.read_lake(self._engine.lake)),
            accounts.learnt(
                truth, learner.seen if learner else {}, learner.refused if learner else {}
            ),
        ]
