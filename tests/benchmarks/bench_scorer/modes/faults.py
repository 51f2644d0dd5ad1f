"""What breaks around a scorer, one after the other, under load: what is answered meanwhile."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
from rich.table import Table

from schemas import metric_names, redis_keys
from tests.benchmarks.bench_scorer import open_loop
from tests.benchmarks.bench_scorer.modes import load
from tests.benchmarks.bench_scorer.open_loop import Event, OpenLoop
from tests.benchmarks.bench_scorer.report import Bar, Report, console
from tests.benchmarks.bench_scorer.rig import VERSION, Rig
from tests.benchmarks.bench_scorer.shifted_clock import ShiftedClock
from tests.benchmarks.bench_scorer.slow_proxy import SlowProxy
from tests.benchmarks.process_tree import family

#: A quarter of the maximum is served, so that a rung is never the load's doing.
LOAD_SHARE = 0.25
_SECONDS = 4.0
_AFTER_SECONDS = 5.0
_JUMP_SECONDS = 3_600
_SLOW_SECONDS = 0.2
_IN_FLIGHT = 16
_DOCUMENTED_SHARE = 0.99
#: Rungs that the README promises for a fault.
_ANY_USER = ("FULL", "NO_USER")


@dataclass(frozen=True, slots=True)
class Fault:
    """``begin`` breaks something, ``end`` mends it; ``may_fail`` requests may be lost."""

    name: str
    begin: Callable[[], object]
    end: Callable[[], object]
    rungs: Sequence[str] = ("FULL",)
    may_fail: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a fault."""

    fault: Fault
    during: dict[str, int]
    after: dict[str, int]
    recovery_seconds: float

    @property
    def failed(self) -> int:
        """Requests without an answer."""
        counts = (self.during, self.after)
        return sum(n for c in counts for name, n in c.items() if name not in load.RUNGS)

    @property
    def as_documented(self) -> bool:
        """Whether next to all answers had one of the rungs: a core that is away for a moment makes
        a few users late, too."""
        answers = {rung: n for rung, n in self.during.items() if rung in load.RUNGS}
        documented = sum(n for rung, n in answers.items() if rung in self.fault.rungs)
        return documented >= _DOCUMENTED_SHARE * sum(answers.values())


def run(rig: Rig, proxy: SlowProxy, clock: ShiftedClock) -> Report:
    """The scorer reaches Redis through ``proxy``; ``clock`` is its wall clock."""
    rig.client.save()
    rate = load.maximum(rig, 5) * LOAD_SHARE
    report = Report("faults", rig.world.ads)
    results = []
    for fault in _faults(rig, proxy, clock):
        console.print(f"fault: {fault.name}")
        results.append(_survived(rig, fault, rate))
    refused_name = f"{metric_names.PACKAGES_REFUSED.name}_total"
    refused = rig.gauges.read().total(refused_name)
    report.bars = [
        Bar.at_most(f"{r.fault.name}: failed", r.failed, r.fault.may_fail) for r in results
    ]
    report.bars += [
        Bar.at_least(f"{r.fault.name}: rungs as documented", int(r.as_documented), 1)
        for r in results
    ]
    report.bars.append(Bar.at_least("corrupt packages refused", refused, 1))
    report.figures = {
        "per_second": round(rate, 1),
        "faults": {
            r.fault.name: {
                "during": r.during, "after": r.after, "recovery_seconds": r.recovery_seconds
            }
            for r in results
        },
        "not_run": _not_run(rig),
    }  # fmt: skip
    _show(results)
    return report


def _survived(rig: Rig, fault: Fault, rate: float) -> Result:
    with OpenLoop(rig.port, load.REQUESTS, rate) as loop:
        time.sleep(1.0)
        begin = time.monotonic()
        fault.begin()
        time.sleep(max(0.0, begin + _SECONDS - time.monotonic()))
        fault.end()
        end = time.monotonic()
        time.sleep(_AFTER_SECONDS)
    # As Prometheus would: the counters of a process that is killed next are known.
    rig.gauges.read()
    during = [event for event in loop.events if begin <= event.at < end]
    after = [event for event in loop.events if event.at >= end]
    since = end if fault.rungs != ("FULL",) else begin
    later: list[Event] = after if since == end else during + after
    recovery = open_loop.recovery_seconds(later, since)
    return Result(fault, open_loop.counts(during), open_loop.counts(after), recovery)


def _faults(rig: Rig, proxy: SlowProxy, clock: ShiftedClock) -> list[Fault]:
    def slow(seconds: float) -> None:
        proxy.delay_seconds = seconds

    def restart() -> None:
        rig.kill_redis()
        rig.start_redis()

    def corrupt() -> None:
        model = "deepfm"
        manifest = rig.client.get(redis_keys.model_manifest(model, VERSION)).decode()
        damaged = manifest.replace(f'"version":"{VERSION}"', '"version":"v9"')
        rig.client.set(redis_keys.model_manifest(model, "v9"), damaged)
        rig.client.set(redis_keys.model_current(model), "v9")

    def withdraw() -> None:
        rig.client.set(redis_keys.model_current("deepfm"), VERSION)

    faults = [
        Fault("Redis killed", rig.kill_redis, rig.start_redis, _ANY_USER),
        Fault("Redis slow by 200 ms", lambda: slow(_SLOW_SECONDS), lambda: slow(0), _ANY_USER),
        Fault("Redis empty", lambda: rig.client.flushall(), restart, _ANY_USER),
        Fault("corrupt package", corrupt, withdraw),
        Fault("clock an hour ahead", lambda: clock.jump_to(_JUMP_SECONDS), lambda: None),
        Fault("clock back again", lambda: clock.jump_to(0), lambda: None),
    ]
    for role in ("feeder", "worker"):
        found = _processes(rig, role)
        if found:
            may_fail = _IN_FLIGHT if role == "worker" else 0
            faults.append(Fault(f"{role} killed", found[0].kill, lambda: None, may_fail=may_fail))
    return faults


def _processes(rig: Rig, role: str) -> list[psutil.Process]:
    """Children of the scorer: workers listen on its port, the feeder on another one."""
    found = []
    for child in family(rig.gauges.pid)[1:]:
        links = child.net_connections("tcp")
        ports = {link.laddr.port for link in links if link.status == psutil.CONN_LISTEN}
        if ports and (rig.port in ports) == (role == "worker"):
            found.append(child)
    return found


def _not_run(rig: Rig) -> list[str]:
    return [
        f"{role} killed: there is none, see --workers"
        for role in ("feeder", "worker")
        if not _processes(rig, role)
    ]


def _show(results: Sequence[Result]) -> None:
    table = Table(title="faults", title_justify="left")
    for column in ("fault", "during", "after", "failed", "recovered after, s"):
        table.add_column(column)
    for r in results:
        table.add_row(
            r.fault.name, str(r.during), str(r.after), str(r.failed), str(r.recovery_seconds)
        )
    console.print(table)
