"""An endless list of samples, as records and as batches of the learning job."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.records import TrainingSample
from schemas.redis_values import UserRow
from streaming.learning.sample_batch import OUTCOMES, SampleBatch

NOW_MS = 1_700_000_000_000


def batch_of(
    layout: Layout,
    outcomes: Sequence[int],
    inputs: Sequence[bytes],
    labels: Sequence[int],
    weights: Sequence[float],
    positions: Sequence[int],
    click_ts: Sequence[int],
    watermark_ms: int,
) -> SampleBatch:
    """From columns, as SampleBatches.java hands them over."""
    return SampleBatch.of(
        layout,
        outcomes=np.array(outcomes, np.uint8).tobytes(),
        sizes=np.array([len(each) for each in inputs], "<i4").tobytes(),
        inputs=b"".join(inputs),
        labels=np.array(labels, "<i4").tobytes(),
        weights=np.array(weights, "<f4").tobytes(),
        positions=np.array(positions, "<i4").tobytes(),
        click_ts=np.array(click_ts, "<i8").tobytes(),
        watermark_ms=watermark_ms,
    )


@dataclass(frozen=True, slots=True)
class SampleFactory:
    """Samples number i, i + 1, … of an endless list; every seventh is a click."""

    spec: FeatureSpec
    layout: Layout

    def record(self, number: int, **changes: Any) -> TrainingSample:
        """One sample as the events job writes it."""
        click = number % 7 == 0
        values: dict[str, Any] = {
            "kind": "POSITIVE" if click else "NEGATIVE",
            "request_id": f"request-{number}",
            "ad_id": f"ad-{number % 5}",
            "user_id": "user",
            "ts": NOW_MS + number,
            "position": 1 + number % 3,
            "price": 100,
            "variant": "deepfm",
            "model_version": "base",
            "predicted_ctr": 0.05,
            "propensity": 1.0,
            "feature_fingerprint": self.spec.fingerprint,
            "inputs": self._inputs(number),
            "label": int(click),
            "label_ts": NOW_MS + 1_000 + number,
            "click_ts": NOW_MS + 500 + number if click else None,
            "sample_weight": 1.0,
        }
        return TrainingSample(**{**values, **changes})

    def batch(self, start: int, count: int) -> SampleBatch:
        """Samples as one batch of the job."""
        records = [self.record(number) for number in range(start, start + count)]
        return batch_of(
            self.layout,
            outcomes=[OUTCOMES.index(record.kind) for record in records],
            inputs=[record.inputs for record in records],
            labels=[record.label for record in records],
            weights=[record.sample_weight for record in records],
            positions=[record.position for record in records],
            click_ts=[record.click_ts or 0 for record in records],
            watermark_ms=max(record.label_ts for record in records),
        )

    def _inputs(self, number: int) -> bytes:
        encoder = Encoder(self.spec)
        request = encoder.request(UserRow("user"), {"user_feature_0": f"u{number % 11}"})
        ad = encoder.ad(f"ad-{number % 5}", {"item_feature_1": f"i{number % 13}"})
        return request.tobytes() + ad.tobytes()
