"""Impressions with signed tokens, and clicks on a share of them, in event-time order."""

from collections.abc import Iterator

import numpy as np

from schemas.records import Click, Impression, Served
from schemas.served_token import TokenKeys
from tests.benchmarks.join_variants import SPEC, TOKEN_KEYS

INPUTS_BYTES = 150
CLICK_SHARE = 0.05


def events(
    impressions: int, seed: int, start_ms: int, step_ms: float
) -> Iterator[tuple[str, str, bytes]]:
    """Topic, key and value of each record, ``step_ms`` of event time from impression to impression;
    clicks come after an exponential delay."""
    random = np.random.default_rng(seed)
    keys = TokenKeys.parse(TOKEN_KEYS)
    inputs = random.bytes(INPUTS_BYTES)
    ads = random.zipf(1.2, impressions) % 1_000_000
    clicked = random.random(impressions) < CLICK_SHARE
    delays_ms = random.exponential(300_000, impressions).astype(np.int64)
    clicks: list[tuple[int, int]] = sorted(
        (start_ms + int(step_ms * i) + int(delays_ms[i]), i)
        for i in np.flatnonzero(clicked).tolist()
    )
    due = 0
    for i in range(impressions):
        ts = start_ms + int(step_ms * i)
        while due < len(clicks) and clicks[due][0] <= ts:
            yield _click(*clicks[due], int(ads[clicks[due][1]]))
            due += 1
        request_id, ad_id = f"request-{i}", f"ad-{ads[i]}"
        token = keys.sign(
            Served(
                request_id=request_id,
                ad_id=ad_id,
                variant="deepfm",
                model_version="20260101T000000.000Z",
                predicted_ctr=0.05,
                propensity=1.0,
                feature_fingerprint=SPEC.fingerprint,
                counter_keys=(f"ad:{ad_id}", f"user:user-{i % 100_000}"),
                inputs=inputs,
            )
        )
        user_id = f"user-{i % 100_000}"
        shown = Impression(request_id, ad_id, user_id, ts, 1 + i % 3, 100_000, token)
        yield "impressions", request_id, shown.encode()
    for ts, i in clicks[due:]:
        yield _click(ts, i, int(ads[i]))


def _click(ts: int, number: int, ad: int) -> tuple[str, str, bytes]:
    request_id = f"request-{number}"
    return "clicks", request_id, Click(request_id, f"ad-{ad}", ts).encode()
