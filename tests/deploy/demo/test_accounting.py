"""The accounts balance for a correct run, and each kind of loss or repetition is found."""

from collections.abc import Callable

import pytest

from deploy.demo.accounting import Accounts, Ledger, close
from schemas.records import Click, DeadLetter, Impression, TrainingSample
from schemas.topics import CLICKS, DEAD_LETTERS, IMPRESSIONS, TRAINING_SAMPLES

Record = tuple[str, bytes]
SENT = {"impressions": 4, "clicks": 3}


def _impression(request_id: str) -> Record:
    return IMPRESSIONS.name, Impression(request_id, "a", "u", 1, 1, 0, b"token").encode()


def _click(request_id: str) -> Record:
    return CLICKS.name, Click(request_id, "a", 2).encode()


def _sample(request_id: str, kind: str) -> Record:
    sample = TrainingSample(
        kind=kind,
        request_id=request_id,
        ad_id="a",
        user_id="u",
        ts=1,
        position=1,
        price=0,
        variant="deepfm",
        model_version="v",
        predicted_ctr=0.5,
        propensity=1.0,
        feature_fingerprint="f",
        inputs=b"",
        label=int(kind != "NEGATIVE"),
        label_ts=2,
        click_ts=None,
        sample_weight=1.0,
    )
    return TRAINING_SAMPLES.name, sample.encode()


def _refused(record: Record, reason: str) -> Record:
    return DEAD_LETTERS.name, DeadLetter(record[0], 0, 0, f"{reason}: x", record[1]).encode()


def _good() -> list[Record]:
    return [
        *(_impression(request_id) for request_id in ("p", "n", "c", "bad")),
        *(_click(request_id) for request_id in ("p", "c", "orphan")),
        _sample("p", "POSITIVE"),
        _sample("n", "NEGATIVE"),
        _sample("c", "NEGATIVE"),
        _sample("c", "CORRECTION"),
        _refused(_impression("bad"), "forged-token"),
        _refused(_click("orphan"), "no-impression"),
    ]


def _closed(records: list[Record], sent: dict[str, int] = SENT, learnt: int = 4) -> Accounts:
    ledger = Ledger()
    for topic, value in records:
        ledger.enter(topic, value)
    return close(ledger, sent, learnt)


def test_a_correct_run_balances() -> None:
    accounts = _closed(_good())
    assert accounts.faults == []
    assert (accounts.positives, accounts.negatives, accounts.corrections) == (1, 2, 1)
    assert (accounts.impressions_refused, accounts.clicks_refused) == (1, 1)
    assert accounts.clicks_matched == 2
    assert accounts.dead_letter_reasons == {"forged-token": 1, "no-impression": 1}


def test_repeated_samples_and_dead_letters_are_counted_once() -> None:
    records = [*_good(), _sample("p", "POSITIVE"), _refused(_impression("bad"), "forged-token")]
    accounts = _closed(records)
    assert accounts.faults == []
    assert accounts.samples_repeated == 1
    assert accounts.dead_letter_reasons["forged-token"] == 1


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda records: records[1:], "impressions sent and in Kafka differ: 4 and 3"),
        (lambda records: [r for r in records if r != _sample("n", "NEGATIVE")], "without a label"),
        (lambda records: [*records, _sample("p", "NEGATIVE")], "two first labels"),
        (lambda records: [*records, _sample("x", "NEGATIVE")], "labels without an impression"),
        (lambda records: [*records, _sample("bad", "NEGATIVE")], "both labelled and refused"),
        (lambda records: [*records, _sample("p", "CORRECTION")], "corrections without a negative"),
        (
            lambda records: [r for r in records if r != _sample("c", "CORRECTION")],
            "clicks that ended nowhere, e.g. c/a",
        ),
        (lambda records: [*records, _refused(_click("p"), "late")], "both matched and refused"),
        (lambda records: [*records, _sample("n", "CORRECTION")], "positive labels without a click"),
        (lambda records: [*records, (CLICKS.name, b"junk")], "1 records of clicks cannot be read"),
    ],
)
def test_a_fault_is_found(spoil: Callable[[list[Record]], list[Record]], fault: str) -> None:
    assert any(fault in found for found in _closed(spoil(_good())).faults)


def test_samples_must_all_be_learnt_once() -> None:
    assert "4 distinct samples, but 5 were learnt" in _closed(_good(), learnt=5).faults
