"""Typed views of the Avro records. Timestamps are int milliseconds since 1970, UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from schemas import avro_codec


class Record:
    """What all records can do; the class name is the name of the Avro record."""

    __slots__ = ()

    def encode(self) -> bytes:
        """Single-object encoding with the current schema. Raises on a value of a wrong type."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]
        return avro_codec.encode(type(self).__name__, values)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From any known version. Raises :class:`schemas.avro_codec.DecodeError`."""
        return cls(**avro_codec.decode(cls.__name__, data))


@dataclass(frozen=True, slots=True)
class Impression(Record):
    """An ad was shown; ``position`` 1 is the top slot, ``price`` in micros per click."""

    request_id: str
    ad_id: str
    user_id: str
    ts: int
    position: int
    price: int
    token: bytes


@dataclass(frozen=True, slots=True)
class Click(Record):
    """An ad was clicked."""

    request_id: str
    ad_id: str
    ts: int


@dataclass(frozen=True, slots=True)
class Ad(Record):
    """Catalogue entry of an ad; ``status`` is ACTIVE or PAUSED."""

    ad_id: str
    ts: int
    status: str
    price: int
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User(Record):
    """Profile of a user."""

    user_id: str
    ts: int
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Served(Record):
    """The body of a token: what the scorer served for one ad."""

    request_id: str
    ad_id: str
    variant: str
    model_version: str
    predicted_ctr: float
    propensity: float
    feature_fingerprint: str
    counter_keys: Sequence[str]
    inputs: bytes


@dataclass(frozen=True, slots=True)
class Engagement(Record):
    """What happened, once: ``kind`` is IMPRESSION or CLICK."""

    kind: str
    request_id: str
    ad_id: str
    user_id: str
    ts: int
    position: int
    price: int
    variant: str
    model_version: str
    predicted_ctr: float
    propensity: float
    counter_keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class TrainingSample(Record):
    """A labelled impression; ``kind`` is POSITIVE, NEGATIVE, CORRECTION or MATURE."""

    kind: str
    request_id: str
    ad_id: str
    user_id: str
    ts: int
    position: int
    price: int
    variant: str
    model_version: str
    predicted_ctr: float
    propensity: float
    feature_fingerprint: str
    inputs: bytes
    label: int
    label_ts: int
    click_ts: int | None
    sample_weight: float


@dataclass(frozen=True, slots=True)
class DeadLetter(Record):
    """A refused record; ``reason`` is a code, a colon and details."""

    topic: str
    partition: int
    offset: int
    reason: str
    value: bytes


@dataclass(frozen=True, slots=True)
class ModelAnnouncement(Record):
    """A model package became current; ``kind`` is FULL or DENSE."""

    model: str
    version: str
    parent: str | None
    kind: str
    ts: int
    offsets: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


RECORDS: Mapping[str, type[Record]] = {
    record.__name__: record
    for record in (
        Impression,
        Click,
        Ad,
        User,
        Served,
        Engagement,
        TrainingSample,
        DeadLetter,
        ModelAnnouncement,
    )
}


def as_values(record: Record) -> dict[str, Any]:
    """Field name to value, e.g. for JSON output."""
    return {item.name: getattr(record, item.name) for item in fields(record)}  # type: ignore[arg-type]
