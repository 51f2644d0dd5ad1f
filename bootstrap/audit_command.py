"""``python -m bootstrap audit``: is what is served what history says?"""

import json
import sys
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

NO_COUNTERS = (
    "no counter could be compared: the lake has no label yet of an impression without a click, "
    "which comes after the label wait (CTR_STREAMING_LABEL_WAIT_MS)"
)
NO_SCORES = (
    "no score could be compared: the lake has no label yet of what the version that is served has "
    "ranked, or Redis does not tell any more what it was then"
)


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
    in_haste: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="share of requests that may differ: those of the rung RETRIEVAL_ONLY, see "
            "ctr_scorer_requests_total",
        ),
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Counters in Redis and served probabilities against history. Exit code 1: they differ, or
    the lake has nothing to compare with yet."""
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
    if not counters.compared:
        print(NO_COUNTERS, file=sys.stderr)
    if not scores.compared:
        print(NO_SCORES, file=sys.stderr)
    is_known = counters.compared and scores.compared
    is_same = not counters.different and scores.different_requests <= in_haste
    raise typer.Exit(0 if is_known and is_same else 1)
