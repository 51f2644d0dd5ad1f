"""Rows of a lesson as impressions and clicks in Kafka, in the order of event time."""

import time
from collections.abc import Mapping

import numpy as np
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from numpy.typing import NDArray

from online_model.studies.delay_study import Lesson
from schemas.features import FeatureSpec
from schemas.records import Click, Impression, Served
from schemas.served_token import TokenKeys
from schemas.topics import CLICKS, ENGAGEMENTS, IMPRESSIONS, TRAINING_SAMPLES
from stores.kafka_client import client_settings
from streaming.adserver.event_producer import EventProducer
from streaming.adserver.metrics import AdServerMetrics

#: Of the first row; any day will do.
FIRST_MS = 1_700_000_000_000
AD, USER = "a", "u"
PATIENCE_SECONDS = 60.0
#: Faster, and a batch of the learner would have but clicks or but negatives: the join lets both
#: through in lots, as often as event time moves on.
ROWS_PER_SECOND = 1_000
POLL_SECONDS = 0.1


class PlayFailed(RuntimeError):
    """The jobs did not take what was played."""


class EventPlayer:
    """Plays each row once, and each click when its time has come."""

    def __init__(self, environment: Mapping[str, str], spec: FeatureSpec, lesson: Lesson) -> None:
        kafka = environment["CTR_KAFKA_BOOTSTRAP"]
        self._keys = TokenKeys.parse(environment["CTR_TOKEN_KEYS"])
        self._spec, self._lesson = spec, lesson
        self._producer = EventProducer(kafka, AdServerMetrics())
        self._admin = AdminClient({**client_settings(kafka), "log_level": 0})
        clicked = np.flatnonzero(lesson.click_ms >= 0)
        self._clicks = clicked[np.argsort(lesson.click_ms[clicked], kind="stable")]
        self._clicks_played = 0

    def forget_clicks_before(self, row: int) -> None:
        """Clicks of rows before this one, which are not played, have no impression."""
        self._clicks = self._clicks[self._clicks >= row]

    def play(self, start: int, end: int, served: NDArray[np.float64]) -> None:
        """Rows [start, end), served with these probabilities, and all clicks up to the last of
        them; returns when the events job has joined them. Raises PlayFailed or DeliveryError."""
        lesson, began = self._lesson, time.monotonic()
        for row, probability in zip(range(start, end), served.tolist(), strict=True):
            time.sleep(max(0.0, began + (row - start) / ROWS_PER_SECOND - time.monotonic()))
            self._click_until(int(lesson.ts_ms[row]))
            token = self._keys.sign(self._served(row, probability))
            ts = FIRST_MS + int(lesson.ts_ms[row])
            shown = Impression(f"r{row}", AD, USER, ts, 1, 0, token)
            self._producer.send(IMPRESSIONS, shown.request_id, shown)
        self._producer.flush()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._written(ENGAGEMENTS.name) < self._producer.sent.total():
            if time.monotonic() > deadline:
                raise PlayFailed("the events job does not join what was played")
            time.sleep(POLL_SECONDS)

    def samples(self) -> int:
        """Records of the topic of samples."""
        return self._written(TRAINING_SAMPLES.name)

    def delete_samples(self) -> None:
        """Those that are there now: what history has taught already."""
        ends = self._ends(TRAINING_SAMPLES.name)
        asked = [TopicPartition(TRAINING_SAMPLES.name, part, end) for part, end in ends.items()]
        for answer in self._admin.delete_records(asked).values():
            answer.result(PATIENCE_SECONDS)

    def _click_until(self, ts_ms: int) -> None:
        lesson = self._lesson
        while self._clicks_played < len(self._clicks):
            row = int(self._clicks[self._clicks_played])
            if lesson.click_ms[row] > ts_ms:
                return
            click = Click(f"r{row}", AD, FIRST_MS + int(lesson.click_ms[row]))
            self._producer.send(CLICKS, click.request_id, click)
            self._clicks_played += 1

    def _served(self, row: int, probability: float) -> Served:
        return Served(
            request_id=f"r{row}",
            ad_id=AD,
            variant="deepfm",
            model_version=self._lesson.package.manifest.version,
            predicted_ctr=probability,
            propensity=1.0,
            feature_fingerprint=self._spec.fingerprint,
            counter_keys=[],
            inputs=self._lesson.samples[row].tobytes(),
        )

    def _written(self, topic: str) -> int:
        return sum(self._ends(topic).values())

    def _ends(self, topic: str) -> dict[int, int]:
        parts = self._admin.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic].partitions
        asked = {TopicPartition(topic, part): OffsetSpec.latest() for part in parts}
        answers = self._admin.list_offsets(asked).items()
        return {part.partition: answer.result(PATIENCE_SECONDS).offset for part, answer in answers}
