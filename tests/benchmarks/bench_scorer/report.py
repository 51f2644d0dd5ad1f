"""Bars and figures of a run: a table for people on stderr, one JSON object on stdout."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and what it has to be."""

    name: str
    figure: float
    wanted: str
    met: bool

    @classmethod
    def at_least(cls, name: str, figure: float, bar: float) -> "Bar":
        """Met by no less."""
        return cls(name, figure, f"≥ {bar:g}", figure >= bar)

    @classmethod
    def at_most(cls, name: str, figure: float, bar: float) -> "Bar":
        """Met by no more."""
        return cls(name, figure, f"≤ {bar:g}", figure <= bar)


@dataclass
class Report:
    """What one mode measured."""

    mode: str
    ads: int
    bars: list[Bar] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def print(self) -> None:
        """Both forms."""
        table = Table(title=f"bench-scorer {self.mode}, {self.ads:,} ads", title_justify="left")
        for column in ("bar", "figure", "wanted", "met"):
            table.add_column(column)
        for bar in self.bars:
            table.add_row(bar.name, f"{bar.figure:,g}", bar.wanted, "yes" if bar.met else "NO")
        console.print(table)
        for name, value in self.figures.items():
            console.print(f"  {name}: {value}", highlight=False)
        print(json.dumps(self.as_json()))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        bars = {
            bar.name: {"figure": bar.figure, "wanted": bar.wanted, "met": bar.met}
            for bar in self.bars
        }
        load = os.getloadavg()[0]
        return {
            "mode": self.mode,
            "ads": self.ads,
            "load_average": load,
            "bars": bars,
            **self.figures,
        }
