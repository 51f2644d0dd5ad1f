"""Every metric is written once in the list, and everything in the list is exported by somebody."""

import ast
from pathlib import Path

from schemas import metric_names
from schemas.metric_names import FLINK_PREFIX, all_metrics

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("online_model", "streaming", "scorer", "bootstrap", "deploy", "stores")
PROMETHEUS_TYPES = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
#: Who makes a metric object of an entry of the list.
MAKERS = {"counter", "gauge", "histogram", "freshness"}


def calls() -> list[tuple[Path, ast.Call]]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            found += [(path, node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return found


def name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def test_names_are_unique_and_ours_begin_alike() -> None:
    names = [metric.name for metric in all_metrics()]
    assert len(names) == len(set(names))
    assert all(name.startswith(("ctr_", FLINK_PREFIX)) for name in names)


def test_nobody_exports_a_name_that_is_not_in_the_list() -> None:
    prometheus = [
        (path, call)
        for path, call in calls()
        if name_of(call.func) in PROMETHEUS_TYPES
        and "prometheus_client" in path.read_text()
        and any(isinstance(argument, ast.Constant) for argument in call.args[:1])
    ]
    assert prometheus == []


def test_everything_in_the_list_is_exported() -> None:
    exported = {
        argument.attr
        for _, call in calls()
        if name_of(call.func) in MAKERS
        for argument in call.args[:1]
        if isinstance(argument, ast.Attribute)
    } | {
        argument.id
        for _, call in calls()
        if name_of(call.func) in MAKERS
        for argument in call.args[:1]
        if isinstance(argument, ast.Name)
    }
    ours = {
        name
        for name, value in vars(metric_names).items()
        if isinstance(value, metric_names.Metric) and not value.name.startswith(FLINK_PREFIX)
    }
    assert ours - exported == set()
