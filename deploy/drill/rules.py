"""The real rules with shorter ``for:`` times; expressions and thresholds stay as they are."""

import re
from pathlib import Path

import yaml

_UNITS = {"s": 1, "m": 60, "h": 3600}


def scaled_rules(source: Path, target: Path, factor: float) -> None:
    """Write the rules of a folder into another one, each ``for:`` divided by ``factor``."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            for rule in group["rules"]:
                rule["for"] = f"{max(1, round(seconds_of(rule['for']) / factor))}s"
        (target / path.name).write_text(yaml.safe_dump(document, sort_keys=False))


def seconds_of(duration: str) -> int:
    """Of Prometheus' duration of one unit, such as 5m. Raises ValueError on another."""
    found = re.fullmatch(r"(\d+)([smh])", duration)
    if found is None:
        raise ValueError(f"{duration!r} is no duration such as 30s, 5m or 1h")
    return int(found[1]) * _UNITS[found[2]]
