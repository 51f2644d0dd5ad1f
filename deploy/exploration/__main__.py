"""``python -m deploy.exploration``: curves of policies that explore, and of one that does not."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from deploy.exploration.study import GREEDY, Curve, study

app = typer.Typer(add_completion=False)


@app.command()
def main(
    requests: Annotated[
        int, typer.Option(min=100, help="visits, five ads shown for each")
    ] = 40_000,
    probability: Annotated[
        float, typer.Option(min=0, max=0.99, help="of an answer whose last slot explores")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="of the world")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """What policies find of good new ads, and what they cost, on the same visits of a world."""
    progress = Progress(
        TextColumn("visits {task.completed:,}"), BarColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with progress:
        task = progress.add_task("visits", total=requests)
        curves = study(seed, requests, probability, lambda n: progress.update(task, completed=n))
    if as_json:
        print(json.dumps(_report(curves)))
    else:
        _show(curves)


def _report(curves: list[Curve]) -> dict[str, Any]:
    greedy = next(curve for curve in curves if curve.policy == GREEDY)
    return {
        curve.policy: {
            "ctr": curve.total_ctr,
            "ctr_over_greedy": curve.total_ctr / greedy.total_ctr - 1.0,
            "explored": curve.explored,
            "curve": [
                {
                    "requests": point.requests,
                    "ctr": point.ctr,
                    "best_ctr": point.best,
                    "new_ads_found": point.found,
                }
                for point in curve.points
            ],
        }
        for curve in curves
    }


def _show(curves: list[Curve]) -> None:
    console = Console()
    names = [curve.policy for curve in curves]
    found = Table("visits", *names, title="slots that good new ads should have, and got")
    ctr = Table("visits", *names, "by the truth", title="expected clicks an impression")
    for points in zip(*(curve.points for curve in curves), strict=True):
        visits = f"{points[0].requests:,}"
        found.add_row(visits, *(f"{point.found:.1%}" for point in points))
        ctr.add_row(visits, *(f"{point.ctr:.4f}" for point in points), f"{points[0].best:.4f}")
    ctr.add_row("all", *(f"{curve.total_ctr:.4f}" for curve in curves), "")
    console.print(found)
    console.print(ctr)


if __name__ == "__main__":
    app()
