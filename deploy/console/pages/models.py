"""Model versions: gate results, who serves what, back to another version."""

import time

from starlette.requests import Request
from starlette.routing import Route

from bootstrap.publishing import gate_limits, own_metrics
from bootstrap.settings import BootstrapSettings
from deploy.console.answers import InputError, Values, done, shown, text
from deploy.console.boxes import served
from deploy.console.engine import Engine
from deploy.scrape import Scrape
from online_model.publish_gate import refusal_reasons


def versions(engine: Engine, request: Request) -> Values:
    """Newest first. ``gate`` are the reasons by which the gate would refuse a version now."""
    limits = gate_limits(BootstrapSettings.load())
    kept = engine.redis.versions().versions()
    live = next((item.manifest for item in kept if item.current), None)
    by_version: dict[str, list[str]] = {}
    scorers = []
    for url, answer in (engine.scorers.reading.value or {}).items():
        serving = served(answer) if isinstance(answer, Scrape) else []
        scorers.append({"url": url, "serves": serving, "fault": answer if not serving else ""})
        for version in serving:
            by_version.setdefault(version, []).append(url)
    for scorer in scorers:
        if not isinstance(scorer["fault"], str):
            scorer["fault"] = "no model is loaded"
    listed = []
    for item in reversed(kept):
        manifest = item.manifest
        metrics = {} if manifest is None else own_metrics(manifest)
        judged = None if live is None or item.current else own_metrics(live)
        listed.append(
            {
                "version": item.version,
                "current": item.current,
                "published_ms": item.published_ms,
                "withdrawn": item.withdrawn,
                "served_by": by_version.get(item.version, []),
                "lost": manifest is None,
                "parent": None if manifest is None else manifest.parent,
                "kind": None if manifest is None else manifest.kind,
                "architecture": None if manifest is None else manifest.architecture,
                "watermark_ms": None if manifest is None else manifest.watermark_ms,
                "features": None if manifest is None else manifest.feature_fingerprint,
                "bytes": None
                if manifest is None
                else sum(entry.size_bytes for entry in manifest.files.values()),
                "metrics": metrics,
                "gate": refusal_reasons(metrics, judged, limits) if metrics else [],
            }
        )
    return {"model": engine.shared.model, "versions": listed, "scorers": scorers}


def serve(engine: Engine, body: Values) -> Values:
    """Serve another version that is kept; the one that was served is withdrawn for the reason."""
    reason, expected = text(body, "reason"), text(body, "expected")
    to = text(body, "version", default="") or None
    if to == expected:
        raise InputError(f"version: {to} is served already")
    now_ms = time.time_ns() // 1_000_000
    version = engine.redis.versions().roll_back(reason, now_ms, to=to, expected=expected)
    return {"served": version, "withdrawn": expected, "reason": reason}


routes = [
    Route("/api/models", shown(versions)),
    Route("/api/models/serve", done("serve", serve), methods=["POST"]),
]
