"""What the learning job says of itself: how many samples its model has seen, and where it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LearnerStatus:
    """Totals of the model that is being learnt, in a hash at redis_keys.model_learner.

    ``seen`` counts samples by kind over the life of the job: each sample once, also across
    restarts and changes of the base. ``refused`` counts samples that were not learnt, by reason.
    ``epoch`` and ``sequence`` are those of the newest row delta. Times in ms; ``watermark_ms`` is
    the newest label's event time. ``withheld_since_ms`` is the label time since which labels
    contradict the model and are not learnt, 0 if they do not; ``drift_ms`` has the label time at
    which log loss or calibration last changed.
    """

    base_version: str
    epoch: str
    sequence: int
    seen: Mapping[str, int]
    refused: Mapping[str, int]
    watermark_ms: int
    updated_ms: int
    withheld_since_ms: int = 0
    drift_ms: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All samples that were read, learnt or refused."""
        return sum(self.seen.values()) + sum(self.refused.values())

    def to_fields(self) -> dict[str, str | int]:
        """Fields of the hash."""
        return {
            "base_version": self.base_version,
            "epoch": self.epoch,
            "sequence": self.sequence,
            "seen": json.dumps(dict(self.seen)),
            "refused": json.dumps(dict(self.refused)),
            "watermark_ms": self.watermark_ms,
            "updated_ms": self.updated_ms,
            "withheld_since_ms": self.withheld_since_ms,
            "drift_ms": json.dumps(dict(self.drift_ms)),
        }

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> "LearnerStatus | None":
        """From HGETALL; None if there is no learner yet. Raises ValueError on a damaged hash."""
        if not fields:
            return None
        try:
            return cls(
                base_version=fields[b"base_version"].decode(),
                epoch=fields[b"epoch"].decode(),
                sequence=int(fields[b"sequence"]),
                seen=_counts(fields[b"seen"]),
                refused=_counts(fields[b"refused"]),
                watermark_ms=int(fields[b"watermark_ms"]),
                updated_ms=int(fields[b"updated_ms"]),
                withheld_since_ms=int(fields.get(b"withheld_since_ms", b"0")),
                drift_ms=_counts(fields.get(b"drift_ms", b"{}")),
            )
        except (KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"learner status: {error!r}") from None


def _counts(text: bytes) -> dict[str, int]:
    raw: Any = json.loads(text)
    return {str(name): int(count) for name, count in raw.items()}
