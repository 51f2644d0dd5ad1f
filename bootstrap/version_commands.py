"""Commands about versions: ``list``, ``publish``, ``rollback``, ``compare``, ``watch``."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import redis
import typer

from bootstrap import display
from bootstrap.command import AsJson, Force, ModelOption, connected, faults_told
from bootstrap.package_folder import read_package
from bootstrap.publisher import Publisher
from bootstrap.publishing import gate_limits, own_metrics, publish_through_gate
from bootstrap.sample_topic import SampleTopic, TopicError
from bootstrap.settings import BootstrapSettings
from bootstrap.version_watch import VersionWatch
from online_model.publish_gate import GateLimits, refusal_reasons
from schemas.settings import SharedSettings
from stores.model_versions import VersionError


def list_versions(model: ModelOption = "", as_json: AsJson = False) -> None:
    """Show the versions of a model that Redis keeps, why any was rolled back, and its learner."""
    with faults_told(), _publisher(model) as (name, publisher):
        versions, learner = publisher.versions(), publisher.learner()
    if not as_json:
        display.show_versions(name, versions, learner)
        return
    entries = [
        {
            "version": item.version,
            "current": item.current,
            "published_ms": item.published_ms,
            "parent": None if item.manifest is None else item.manifest.parent,
            "metrics": {} if item.manifest is None else item.manifest.metrics,
            "withdrawn": item.withdrawn,
        }
        for item in versions
    ]
    told = None if learner is None else asdict(learner)
    print(json.dumps({"model": name, "versions": entries, "learner": told}))


def publish(
    folder: Annotated[Path, typer.Argument(help="a package's folder, as retrain leaves it")],
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Put a package through the gate into Redis and switch to it."""
    with faults_told():
        package = read_package(folder)
        settings = BootstrapSettings.load()
        with _publisher(package.manifest.model) as (name, publisher):
            reasons = publish_through_gate(publisher, package, settings, _now_ms(), force)
    report = {"model": name, "version": package.manifest.version, "overridden": reasons}
    if as_json:
        print(json.dumps(report))
    else:
        print(f"{name} {package.manifest.version} is served now{_although(reasons)}")


def rollback(
    model: ModelOption = "",
    to: Annotated[str, typer.Option(help="version; default: the last good one before")] = "",
    reason: Annotated[str, typer.Option(help="shown by list")] = "by hand",
    as_json: AsJson = False,
) -> None:
    """Serve an earlier version again; the current one is marked as withdrawn."""
    with faults_told(), _publisher(model) as (name, publisher):
        withdrawn = publisher.current()
        served = publisher.roll_back(reason, _now_ms(), to or None)
    report = {"model": name, "version": served, "withdrawn": withdrawn, "reason": reason}
    if as_json:
        print(json.dumps(report))
    else:
        print(f"{name} {served} is served again, {withdrawn} is withdrawn: {reason}")


def compare(
    candidate: Annotated[str, typer.Argument(help="a version, or a package's folder")],
    live: Annotated[str, typer.Argument(help="the same; default: what is served")] = "",
    model: ModelOption = "",
    as_json: AsJson = False,
) -> None:
    """Show two versions' metrics side by side, and what the gate says of the first."""
    with faults_told(), _publisher(model) as (name, publisher):
        limits = gate_limits(BootstrapSettings.load())
        against = live or publisher.current()
        if against is None:
            raise VersionError(
                f"no version of {name} is published: there is nothing to compare with"
            )
        names = [candidate, against]
        manifests = [
            (read_package(Path(item)) if Path(item).is_dir() else publisher.fetch(item)).manifest
            for item in names
        ]
    first, second = map(own_metrics, manifests)
    keys = sorted(first.keys() | second.keys())
    report: dict[str, Any] = {
        "model": name,
        "candidate": manifests[0].version,
        "live": manifests[1].version,
        "metrics": [{"metric": k, "candidate": first.get(k), "live": second.get(k)} for k in keys],
        "refusal_reasons": refusal_reasons(first, second, limits),
    }
    if as_json:
        print(json.dumps(report))
    else:
        display.show_report(f"{name}: candidate against live", report)


def watch(
    model: ModelOption = "",
    poll_seconds: Annotated[float, typer.Option(min=0.1, help="between two looks")] = 5.0,
    since_minutes: Annotated[float, typer.Option(min=0, help="of labels to begin with")] = 60.0,
    seconds: Annotated[float, typer.Option(min=0, help="then end; 0: never")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Roll the served version back when calibration, log loss or latency turn bad."""
    with faults_told(), _publisher(model) as (name, publisher):
        settings, topic = BootstrapSettings.load(), _topic()
        watching = VersionWatch(
            publisher,
            topic,
            [url for url in settings.watch_scorers.split(",") if url],
            GateLimits(
                log_loss_rise=settings.watch_log_loss_rise,
                pcoc_factor=settings.watch_pcoc_factor,
                latency_ms=settings.watch_latency_ms,
            ),
            topic.since(_now_ms() - round(60_000 * since_minutes)),
            settings.watch_window_minutes,
        )
        end = time.monotonic() + seconds if seconds else float("inf")
        rolled_back = []
        while time.monotonic() < end:
            try:
                done = watching.step(_now_ms())
                for fault in watching.unheard:
                    print(f"latency is not known: {fault}", file=sys.stderr)
            except (redis.RedisError, TopicError, VersionError) as error:
                print(f"nothing was done: {error}", file=sys.stderr)
                done = None
            if done is not None:
                rolled_back.append(
                    {"withdrawn": done.withdrawn, "served": done.served, "reasons": done.reasons}
                )
                print(f"{done.withdrawn} → {done.served}: {done.reasons}", file=sys.stderr)
            time.sleep(max(0.0, min(poll_seconds, end - time.monotonic())))
    report = {
        "model": name,
        "roll_backs": rolled_back,
        "served": {version: window.metrics() for version, window in watching.served.items()},
    }
    if as_json:
        print(json.dumps(report))
    else:
        display.show_report(f"watch {name}", report)


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_versions,
    "publish": publish,
    "rollback": rollback,
    "compare": compare,
    "watch": watch,
}


@contextmanager
def _publisher(model: str) -> Iterator[tuple[str, Publisher]]:
    shared = SharedSettings.load()
    name = model or shared.model
    with connected(shared) as client:
        yield name, Publisher(client, name, BootstrapSettings.load().keep_versions)


def _topic() -> SampleTopic:
    return SampleTopic(SharedSettings.load().kafka)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _although(reasons: list[str]) -> str:
    return f", although {'; '.join(reasons)}" if reasons else ""
