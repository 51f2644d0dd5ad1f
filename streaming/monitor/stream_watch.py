"""Records of the output topics -> counts, freshness, quality and drift."""

from collections.abc import Sequence

from confluent_kafka import Message

from schemas.avro_codec import DecodeError
from schemas.records import Engagement, TrainingSample
from schemas.topics import DEAD_LETTERS, ENGAGEMENTS, TRAINING_SAMPLES
from streaming.dead_letters import letter_of
from streaming.monitor.feature_drift import FeatureDrift
from streaming.monitor.metrics import MonitorMetrics
from streaming.monitor.served_quality import ServedQuality

WATCHED = (ENGAGEMENTS.name, TRAINING_SAMPLES.name, DEAD_LETTERS.name)
#: Arms and reasons beyond so many are counted together: a label must not grow without bound.
MOST_LABELS = 32
OTHER = "other"


class StreamWatch:
    """``drift`` is replaced when another package is served, None while it has no reference."""

    def __init__(self, metrics: MonitorMetrics, quality: ServedQuality) -> None:
        self._metrics = metrics
        self.quality = quality
        self.drift: FeatureDrift | None = None
        self._labels: dict[str, set[str]] = {"arm": set(), "reason": set()}

    def take(self, messages: Sequence[Message]) -> None:
        """Account for records of any of WATCHED; what is undecodable is left out."""
        samples: list[TrainingSample] = []
        for message in messages:
            topic, value = message.topic(), message.value() or b""
            try:
                if topic == ENGAGEMENTS.name:
                    self._engagement(Engagement.decode(value))
                elif topic == TRAINING_SAMPLES.name:
                    sample = TrainingSample.decode(value)
                    self._sample(sample, message.timestamp()[1])
                    samples.append(sample)
                else:
                    self._dead_letter(message)
            except DecodeError:
                continue
        first = [sample for sample in samples if sample.kind in ("POSITIVE", "NEGATIVE")]
        if self.drift is not None and first:
            newest = max(sample.label_ts for sample in first)
            self.drift.add([sample.inputs for sample in first], newest)

    def _engagement(self, engagement: Engagement) -> None:
        arm = self._bounded("arm", engagement.variant)
        if engagement.kind == "IMPRESSION":
            self._metrics.ad_impressions.labels(arm).inc()
        else:
            self._metrics.ad_clicks.labels(arm).inc()
            self._metrics.ad_revenue_micros.labels(arm).inc(engagement.price)

    def _sample(self, sample: TrainingSample, kafka_ms: int) -> None:
        self._metrics.labels.labels(sample.kind).inc()
        if sample.click_ts is not None and sample.kind != "MATURE":
            seconds = max(0, kafka_ms - sample.click_ts) / 1000
            self._metrics.click_to_label.observe(seconds)
        self.quality.add(sample)

    def _dead_letter(self, message: Message) -> None:
        letter = letter_of(
            message.value(),
            key=message.key(),
            partition=message.partition(),
            offset=message.offset(),
            ts_ms=message.timestamp()[1],
        )
        if letter is not None and not letter.is_mark:
            self._metrics.dead_letters.labels(self._bounded("reason", letter.code)).inc()

    def _bounded(self, name: str, value: str) -> str:
        known = self._labels[name]
        if value not in known and len(known) >= MOST_LABELS:
            return OTHER
        known.add(value)
        return value
