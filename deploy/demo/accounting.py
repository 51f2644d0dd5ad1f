"""Closes the accounts of a run: every impression and click that Kafka took ended somewhere.

An impression is known by (request_id, ad_id). It ends in exactly one first label, or refused in
the dead-letters; a click ends in a positive or a correction, as an orphan, or as a repetition.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from schemas.avro_codec import DecodeError
from schemas.records import Click, DeadLetter, Impression, TrainingSample
from schemas.topics import CLICKS, DEAD_LETTERS, IMPRESSIONS, TRAINING_SAMPLES

Identity = tuple[str, str]
FIRST_LABELS = ("POSITIVE", "NEGATIVE")
EXAMPLES = 3


@dataclass(slots=True)
class Ledger:
    """What was read from the topics; repeated samples and dead-letters count once."""

    records: Counter[str] = field(default_factory=Counter)
    impressions: set[Identity] = field(default_factory=set)
    clicks: set[Identity] = field(default_factory=set)
    repeated_clicks: int = 0
    labels: dict[str, set[Identity]] = field(default_factory=dict)
    refused_impressions: set[Identity] = field(default_factory=set)
    refused_clicks: set[Identity] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)

    def enter(self, topic: str, value: bytes | None) -> None:
        """One record of one of the four topics."""
        self.records[topic] += 1
        try:
            if value is None:
                raise DecodeError("not-avro: no value")
            if topic == IMPRESSIONS.name:
                impression = Impression.decode(value)
                self.impressions.add((impression.request_id, impression.ad_id))
            elif topic == CLICKS.name:
                self._enter_click(Click.decode(value))
            elif topic == TRAINING_SAMPLES.name:
                sample = TrainingSample.decode(value)
                identity = (sample.request_id, sample.ad_id)
                self.labels.setdefault(sample.kind, set()).add(identity)
            elif topic == DEAD_LETTERS.name:
                self._enter_refused(DeadLetter.decode(value))
        except DecodeError:
            self.unreadable[topic] += 1

    def kinds(self) -> dict[str, int]:
        """Distinct samples by kind."""
        return {kind: len(identities) for kind, identities in sorted(self.labels.items())}

    @property
    def samples(self) -> int:
        """Distinct samples, whatever their kind."""
        return sum(map(len, self.labels.values()))

    def _enter_click(self, click: Click) -> None:
        identity = (click.request_id, click.ad_id)
        self.repeated_clicks += identity in self.clicks
        self.clicks.add(identity)

    def _enter_refused(self, letter: DeadLetter) -> None:
        reason = letter.reason.partition(":")[0]
        try:
            if letter.topic == IMPRESSIONS.name:
                impression = Impression.decode(letter.value)
                identity = (impression.request_id, impression.ad_id)
                refused = self.refused_impressions
            elif letter.topic == CLICKS.name:
                click = Click.decode(letter.value)
                identity, refused = (click.request_id, click.ad_id), self.refused_clicks
            else:
                self.reasons[reason] += 1
                return
        except DecodeError:
            # What cannot be read has no identity; its reason counts all the same.
            self.reasons[reason] += 1
            return
        if identity not in refused:
            self.reasons[reason] += 1
        refused.add(identity)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The closed accounts; they balance when ``faults`` is empty."""

    impressions_sent: int
    impressions_in_kafka: int
    positives: int
    negatives: int
    corrections: int
    impressions_refused: int
    clicks_sent: int
    clicks_in_kafka: int
    clicks_matched: int
    clicks_refused: int
    clicks_repeated: int
    samples: int
    samples_repeated: int
    samples_learnt: int
    dead_letter_reasons: dict[str, int]
    faults: list[str]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def close(ledger: Ledger, sent: dict[str, int], samples_learnt: int) -> Accounts:
    """Compare what was sent (acknowledged records by topic) and learnt with what Kafka holds."""
    positives, negatives = (ledger.labels.get(kind, set()) for kind in FIRST_LABELS)
    corrections = ledger.labels.get("CORRECTION", set())
    labelled = positives | negatives
    matched = positives | corrections
    refused = ledger.refused_impressions
    faults = [
        *_differ("impressions sent and in Kafka", sent[IMPRESSIONS.name], ledger, IMPRESSIONS.name),
        *_differ("clicks sent and in Kafka", sent[CLICKS.name], ledger, CLICKS.name),
        *_some("impressions without a label", ledger.impressions - labelled - refused),
        *_some("labels without an impression", labelled - ledger.impressions),
        *_some("impressions both labelled and refused", labelled & refused),
        *_some("impressions with two first labels", positives & negatives),
        *_some("corrections without a negative", corrections - negatives),
        *_some("clicks that ended nowhere", ledger.clicks - matched - ledger.refused_clicks),
        *_some("clicks both matched and refused", matched & ledger.refused_clicks),
        *_some("positive labels without a click", matched - ledger.clicks),
        *(
            f"{count} records of {topic} cannot be read"
            for topic, count in ledger.unreadable.items()
        ),
    ]
    if samples_learnt != ledger.samples:
        faults.append(f"{ledger.samples} distinct samples, but {samples_learnt} were learnt")
    return Accounts(
        impressions_sent=sent[IMPRESSIONS.name],
        impressions_in_kafka=ledger.records[IMPRESSIONS.name],
        positives=len(positives),
        negatives=len(negatives),
        corrections=len(corrections),
        impressions_refused=len(ledger.refused_impressions),
        clicks_sent=sent[CLICKS.name],
        clicks_in_kafka=ledger.records[CLICKS.name],
        clicks_matched=len(matched & ledger.clicks),
        clicks_refused=len(ledger.refused_clicks),
        clicks_repeated=ledger.repeated_clicks,
        samples=ledger.samples,
        samples_repeated=ledger.records[TRAINING_SAMPLES.name] - ledger.samples,
        samples_learnt=samples_learnt,
        dead_letter_reasons=dict(ledger.reasons),
        faults=faults,
    )


def _differ(what: str, sent: int, ledger: Ledger, topic: str) -> list[str]:
    held = ledger.records[topic]
    return [] if sent == held else [f"{what} differ: {sent} and {held}"]


def _some(what: str, identities: set[Identity]) -> list[str]:
    if not identities:
        return []
    examples = ", ".join("/".join(identity) for identity in sorted(identities)[:EXAMPLES])
    return [f"{len(identities)} {what}, e.g. {examples}"]
