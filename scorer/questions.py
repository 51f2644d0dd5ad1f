"""What the scorer is asked and what it answers, free of any transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum


class Rung(IntEnum):
    """How much of the full path an answer went through; numbers as in the proto."""

    FULL = 0
    NO_USER = 1
    RETRIEVAL_ONLY = 2
    POPULAR = 3


class NoModelError(RuntimeError):
    """Nothing can be answered before a first model is loaded."""


class InvalidRequestError(ValueError):
    """A request that cannot be answered; the message begins with the field's name."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, for whom, and where."""

    request_id: str
    user_id: str
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RankQuestion:
    """The best ``limit`` ads, by CTR or by expected value; ``variant`` is an arm, empty: any."""

    asker: Asker
    limit: int
    by_value: bool = False
    blocked: Sequence[str] = ()
    required: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""


@dataclass(frozen=True, slots=True)
class ScoreQuestion:
    """Candidates, each an ad id and its attributes: empty for an ad that is known."""

    asker: Asker
    candidates: Sequence[tuple[str, Mapping[str, str]]]
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Ads, with the arm, the model and the rung that they come from.

    ``ads`` are those of RankResponse as bytes: an object for each would take a third of the time of
    a request.
    """

    request_id: str
    variant: str
    model_version: str
    rung: Rung
    ads: bytes
