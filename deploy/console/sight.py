"""What the picture of the loop is made from, and of: sights, boxes, edges, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from deploy.console.broker import BrokerSight
from deploy.console.rates import Rates
from deploy.console.sources import Alert, RedisSight
from deploy.console.watching import Reading
from deploy.scrape import Scrape


class Health(StrEnum):
    """How a box is, worst last."""

    GOOD = "good"
    UNKNOWN = "unknown"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number on an edge or in a box; ``unit`` tells how to write it: /s, s, records, bytes,
    share, count or ratio."""

    label: str
    value: float | None
    unit: str


@dataclass(slots=True)
class Box:
    """A part of the loop."""

    id: str
    title: str
    health: Health = Health.GOOD
    reasons: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def judge(self, health: Health, reason: str) -> None:
        """The worst health counts; all reasons are told."""
        if list(Health).index(health) > list(Health).index(self.health):
            self.health = health
        self.reasons.append(reason)


@dataclass(frozen=True, slots=True)
class Edge:
    """What flows from one box to another."""

    source: str
    target: str
    what: str
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Sight:
    """All that was seen last, and rates over the looks before; ``now`` in epoch seconds.

    ``served_quality`` is of live labels of the current version, see label_window.quality.
    """

    now: float
    broker: Reading[BrokerSight]
    redis: Reading[RedisSight]
    events: Reading[Mapping[str, Any]]
    learning: Reading[Mapping[str, Any]]
    events_metrics: Reading[Scrape]
    learning_metrics: Reading[Scrape]
    scorers: Reading[Mapping[str, Scrape | str]]
    lake_age: Reading[float | None]
    served_quality: Mapping[str, float | None]
    alerts: Reading[list[Alert] | None]
    rates: Rates
