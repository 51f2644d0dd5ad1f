"""Closes the accounts of a run: what must have come out against what did, to the last one."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.records import Engagement, TrainingSample
from schemas.redis_values import CounterRow
from tests.chaos.outputs import Distinct, Identity, Letters, Place, digest

FIRST_LABELS = ("POSITIVE", "NEGATIVE")
EXAMPLES = 3
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Account:
    """One line: how many were due, how many came, how many differ and some of those that do."""

    name: str
    due: int
    came: int
    differ: int
    examples: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def is_closed(self) -> bool:
        """Nothing differs."""
        return self.due == self.came and not self.differ


@dataclass(slots=True)
class Truth:
    """What the oracle says, with digests in place of records."""

    impressions: set[tuple[str, str]] = field(default_factory=set)
    samples: dict[Identity, int] = field(default_factory=dict)
    engagements: dict[Identity, int] = field(default_factory=dict)
    refused: dict[Place, str] = field(default_factory=dict)
    counters: dict[str, CounterRow] = field(default_factory=dict)
    last_clicks: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, record: TrainingSample | Engagement) -> None:
        """One record that must come out."""
        identity = record.request_id, record.ad_id, record.kind
        into = self.samples if isinstance(record, TrainingSample) else self.engagements
        into[identity] = digest(record)
        if record.kind == "IMPRESSION":
            self.impressions.add(identity[:2])

    def kinds(self) -> Counter[str]:
        """Samples by kind."""
        return Counter(kind for _, _, kind in self.samples)


def labels(truth: Truth, samples: Distinct) -> list[Account]:
    """That each impression has one first label and at most one correction, after a NEGATIVE."""
    firsts: Counter[tuple[str, str]] = Counter()
    negatives, corrected = set(), set()
    for request_id, ad_id, kind in samples.digests:
        if kind in FIRST_LABELS:
            firsts[request_id, ad_id] += 1
        if kind == "NEGATIVE":
            negatives.add((request_id, ad_id))
        elif kind == "CORRECTION":
            corrected.add((request_id, ad_id))
    without = truth.impressions - firsts.keys()
    many = {identity for identity, count in firsts.items() if count > 1}
    strange = firsts.keys() - truth.impressions
    return [
        _account(
            "impressions with exactly one first label",
            len(truth.impressions),
            sum(count == 1 for count in firsts.values()),
            without | many | strange,
        ),
        _account(
            "corrections, each of a NEGATIVE",
            truth.kinds()["CORRECTION"],
            len(corrected),
            corrected - negatives,
        ),
    ]


def records(name: str, expected: Mapping[Identity, int], found: Distinct) -> Account:
    """That the distinct records of a topic are the oracle's, field by field."""
    differing = _differing(expected, found.digests) | found.contradicting
    note = f"{found.repeated:,} came again"
    return _account(name, len(expected), len(found.digests), differing, note)


def dead_letters(truth: Truth, letters: Letters) -> Account:
    """That the bad records are refused, for their reason, and no others."""
    differing = {
        place
        for place in truth.refused.keys() | letters.reasons.keys()
        if place not in truth.refused
        or not letters.reasons.get(place, "").startswith(truth.refused[place])
    }
    note = f"{letters.repeated:,} came again"
    return _account("dead letters", len(truth.refused), len(letters.reasons), differing, note)


def rows(name: str, expected: Mapping[str, V], found: Mapping[str, V]) -> Account:
    """That rows of Redis are the oracle's."""
    differing = _differing(expected, found)
    return _account(name, len(expected), len(found), differing)


def lake(truth: Truth, found: Counter[Identity]) -> Account:
    """That each sample lies in the lake once."""
    differing = _differing(dict.fromkeys(truth.samples, 1), found)
    return _account("rows of the lake", len(truth.samples), found.total(), differing)


def learnt(truth: Truth, seen: Mapping[str, int], refused: Mapping[str, int]) -> Account:
    """That the learner has seen each sample once, by kind, and refused none."""
    due = truth.kinds()
    differ = sum(abs(due[kind] - seen.get(kind, 0)) for kind in due.keys() | seen.keys())
    examples = [f"{kind} {seen.get(kind, 0)} of {due[kind]}" for kind in due | dict(seen)]
    wrong = differ + sum(refused.values())
    came = sum(seen.values()) + sum(refused.values())
    return Account("samples learnt", due.total(), came, wrong, examples if wrong else [])


def _differing(expected: Mapping[K, V], found: Mapping[K, V]) -> set[K]:
    return {key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)}


def _account(
    name: str, due: int, came: int, differing: Iterable[object], note: str = ""
) -> Account:
    differing = list(differing)
    examples = [str(each) for each in differing[:EXAMPLES]]
    return Account(name, due, came, len(differing), examples, note)
