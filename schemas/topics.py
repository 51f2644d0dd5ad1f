"""The Kafka topics: names, keys, records and how long they are kept."""

from dataclasses import dataclass

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic; ``record`` names the Avro record of its values, ``max_bytes`` is Kafka's limit of a
    record where its default, about a megabyte, is too small."""

    name: str
    key: str
    record: str
    retention_ms: int = 7 * DAY_MS
    compacted: bool = False
    max_bytes: int | None = None

    @property
    def config(self) -> dict[str, str]:
        """Kafka topic configuration."""
        # The broker's clock, by which a producer's clock is judged.
        common = {"message.timestamp.type": "LogAppendTime"}
        if self.max_bytes is not None:
            common["max.message.bytes"] = str(self.max_bytes)
        if self.compacted:
            return {**common, "cleanup.policy": "compact"}
        return {**common, "cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


IMPRESSIONS = Topic("impressions", "request_id", "Impression")
CLICKS = Topic("clicks", "request_id", "Click")
ADS = Topic("ads", "ad_id", "Ad", compacted=True)
USERS = Topic("users", "user_id", "User", compacted=True)
ENGAGEMENTS = Topic("engagements", "request_id", "Engagement")
TRAINING_SAMPLES = Topic("training-samples", "request_id", "TrainingSample")
# A dead letter holds a whole record of another topic.
DEAD_LETTERS = Topic(
    "dead-letters", "original key", "DeadLetter", retention_ms=30 * DAY_MS, max_bytes=2 << 20
)
MODEL_ANNOUNCEMENTS = Topic("model-announcements", "model", "ModelAnnouncement", compacted=True)

ALL = (
    IMPRESSIONS,
    CLICKS,
    ADS,
    USERS,
    ENGAGEMENTS,
    TRAINING_SAMPLES,
    DEAD_LETTERS,
    MODEL_ANNOUNCEMENTS,
)
