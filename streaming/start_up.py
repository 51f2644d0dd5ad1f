"""What a job is built from: settings that were checked, with everything there that they name."""

from dataclasses import dataclass
from typing import Any

from schemas import avro_codec, log_lines, topics
from schemas.features import FeatureSpec
from schemas.served_token import TokenKeys
from schemas.settings import SharedSettings
from streaming.readiness import require_redis, require_registry, require_topics
from streaming.settings import JobName, StreamingSettings

TOPICS = {
    JobName.EVENTS: (
        topics.IMPRESSIONS,
        topics.CLICKS,
        topics.ADS,
        topics.USERS,
        topics.ENGAGEMENTS,
        topics.TRAINING_SAMPLES,
        topics.DEAD_LETTERS,
    ),
    JobName.LEARNING: (topics.TRAINING_SAMPLES,),
}


@dataclass(frozen=True, slots=True)
class JobInputs:
    """All settings of a job, and the feature declaration they name."""

    shared: SharedSettings
    streaming: StreamingSettings
    spec: FeatureSpec

    @classmethod
    def load(cls, **overrides: Any) -> "JobInputs":
        """``overrides`` are of StreamingSettings. Raises SettingsError or FeatureError."""
        shared, streaming = SharedSettings.load(), StreamingSettings.load(**overrides)
        log_lines.configure(shared.log_level)
        spec = FeatureSpec.load(shared.features)
        return cls(shared, streaming, spec)

    def require(self, job: JobName) -> None:
        """What running needs and building does not: Kafka with the job's topics, Redis, keys.

        Raises NotReady, or ValueError for token keys that are none; only events are read by token.
        """
        if job is JobName.EVENTS:
            TokenKeys.parse(self.shared.token_keys)
        timeout_seconds = self.streaming.ready_timeout_seconds
        require_topics(self.shared.kafka, TOPICS[job], timeout_seconds)
        require_redis(self.shared.redis, timeout_seconds)
        if self.shared.schema_dir is not None:
            avro_codec.learn(self.shared.schema_dir)
        if self.shared.schema_registry_url:
            require_registry(self.shared.schema_registry_url, timeout_seconds)
