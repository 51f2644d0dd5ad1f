"""``python -m bootstrap audit``: is what is served what history says?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bootstrap import display
from bootstrap.command import AsJson, connected, faults_told
from bootstrap.counter_audit import audit_counters
from bootstrap.score_audit import audit_scores
from schemas.features import FeatureSpec
from schemas.settings import SharedSettings


def audit(
    lake: Annotated[
        Path, typer.Option(envvar="CTR_STREAMING_LAKE", help="folder of the lake")
    ] = Path(".local/lake"),
    tolerance: Annotated[
        float, typer.Option(min=0, help="of a probability; 8-bit towers round")
    ] = 0.002,
    rows: Annotated[
        int, typer.Option(min=1, help="newest samples whose scores are checked")
    ] = 5_000,
    as_json: AsJson = False,
) -> None:
    """Counters in Redis and served probabilities against history. Exit code 1: they differ."""
    with faults_told():
        shared = SharedSettings.load()
        spec = FeatureSpec.load(shared.features)
        with connected(shared) as client:
            counters = audit_counters(client, spec, lake)
            scores = audit_scores(client, shared.model, spec, lake, tolerance, rows)
    report = {"counters": asdict(counters), "scores": asdict(scores)}
    if as_json:
        print(json.dumps(report))
    else:
        for name, part in report.items():
            display.show_report(f"audit of {name}", part)
    raise typer.Exit(1 if counters.different or scores.different else 0)
