"""A small lake as the events job leaves it: one row for each impression, its last label."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bootstrap.lake import read_lake
from bootstrap.logged_rows import NO_CLICK
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.lake import LANDING, SAMPLES
from schemas.redis_values import UserRow
from stores.lake.folders import LakeError
from stores.lake.parquet_files import arrow_schema

SPEC = FeatureSpec.load("open_bandit")
ENCODER = Encoder(SPEC)
SCHEMA = arrow_schema(SAMPLES)


@dataclass(frozen=True)
class Sample:
    """One row of the lake."""

    request_id: str = "r1"
    ad_id: str = "a1"
    kind: str = "NEGATIVE"
    ts: int = 1000
    label_ts: int = 2000
    label: int = 0
    position: int = 2
    click_ts: int | None = None
    sample_weight: float = 10.0
    price: int = 5
    predicted_ctr: float = 0.1
    propensity: float = 1.0
    feature_fingerprint: str = SPEC.fingerprint
    inputs: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The inputs, other ones for each request."""
        if self.inputs is not None:
            return self.inputs
        context = {"user_feature_0": self.request_id}
        request = ENCODER.request(UserRow("u"), context).tobytes()
        return request + ENCODER.ad(self.ad_id, {}).tobytes()


def write(lake: Path, *samples: Sample, hour: int = 7, name: str = "part-0") -> Path:
    """A file of an hour, as it lands."""
    folder = lake / LANDING / SAMPLES.name / "day=2025-01-02" / f"hour={hour:02}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            **{column: getattr(sample, column, "u") for column in SCHEMA.names},
            "inputs": sample.encoded,
        }
        for sample in samples
    ]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / name)
    (folder / "_SUCCESS").touch()
    return folder


def correction(of: Sample, label_ts: int, click_ts: int | None = None) -> Sample:
    clicked = click_ts or label_ts
    return replace(
        of, kind="CORRECTION", label=1, label_ts=label_ts, click_ts=clicked, sample_weight=1.0
    )


def positive(request_id: str, ts: int, click_ts: int) -> Sample:
    return Sample(
        request_id,
        kind="POSITIVE",
        label=1,
        ts=ts,
        label_ts=click_ts,
        click_ts=click_ts,
        sample_weight=1.0,
    )


def test_columns_are_those_of_the_lake(tmp_path: Path) -> None:
    clicked = positive("r2", 900, 950)
    write(tmp_path, Sample(), clicked)
    told: list[int] = []
    log = read_lake(tmp_path, SPEC, told.append)
    assert told == [2]
    assert log.ts_ms.tolist() == [900, 1000], "in order of time"
    assert log.labels.tolist() == [1, 0]
    assert log.weights.tolist() == [1, 10]
    assert log.positions.tolist() == [2, 2]
    assert log.click_ms.tolist() == [950, NO_CLICK]
    assert log.samples.tobytes() == clicked.encoded + Sample().encoded
    assert log.late_share == 0.0


def test_a_correction_takes_the_place_of_its_negative(tmp_path: Path) -> None:
    late = Sample("r1", ts=1000)
    write(tmp_path, correction(late, 9000), hour=9)
    write(tmp_path, late, Sample("r1", ad_id="a2", ts=1001), hour=7)
    write(tmp_path, positive("r3", 1002, 2000), hour=8)
    log = read_lake(tmp_path, SPEC)
    assert log.labels.tolist() == [1, 0, 1]
    assert log.weights.tolist() == [1, 10, 1]
    assert log.click_ms.tolist() == [9000, NO_CLICK, 2000]
    assert log.late_share == pytest.approx(0.5)


def test_a_click_has_its_own_time(tmp_path: Path) -> None:
    """Not that of its label, which a late record of an early click gets when the wait is over."""
    write(tmp_path, Sample(), correction(Sample(), label_ts=2000, click_ts=1200))
    assert read_lake(tmp_path, SPEC).click_ms.tolist() == [1200]


def test_a_correction_of_the_same_moment_wins(tmp_path: Path) -> None:
    late = Sample("r1", label_ts=2000)
    for number, samples in enumerate(
        [(late, correction(late, 2000)), (correction(late, 2000), late)]
    ):
        write(tmp_path / str(number), *samples)
        log = read_lake(tmp_path / str(number), SPEC)
        assert log.labels.tolist() == [1]


def test_the_last_label_wins_whatever_the_order(tmp_path: Path) -> None:
    """Files and rows in any order, and repeated after a crash, as at-least-once brings them."""
    random = np.random.default_rng(5)
    samples, expected = [], {}
    for number in range(200):
        first = Sample(f"r{number % 70}", ad_id=f"a{number}", ts=1000 + number)
        samples += [first] * int(random.integers(1, 3))
        expected[first.ts] = 0
        if random.random() < 0.3:
            samples.append(correction(first, 5000 + number))
            expected[first.ts] = 1
    order = random.permutation(len(samples))
    for hour in range(4):
        write(tmp_path, *(samples[at] for at in order[hour::4]), hour=hour)
    log = read_lake(tmp_path, SPEC)
    assert log.ts_ms.tolist() == sorted(expected)
    assert log.labels.tolist() == [expected[ts] for ts in sorted(expected)]
    by_ts = {sample.ts: sample.encoded for sample in samples}
    assert log.samples.tobytes() == b"".join(by_ts[ts] for ts in sorted(expected))
    assert log.late_share == 1.0


def test_ids_that_run_together_are_two_impressions(tmp_path: Path) -> None:
    write(tmp_path, Sample("r1", ad_id="1a"), Sample("r11", ad_id="a"))
    assert len(read_lake(tmp_path, SPEC)) == 2


def test_other_declarations_are_left_out(tmp_path: Path) -> None:
    cut = Sample("r3", inputs=Sample().encoded[:-4])
    write(tmp_path, Sample("r1"), Sample("r2", feature_fingerprint="0" * 16), cut)
    assert len(read_lake(tmp_path, SPEC)) == 1


def test_files_that_are_being_written_are_not_read(tmp_path: Path) -> None:
    folder = write(tmp_path, Sample())
    (folder / ".part-1.inprogress.0").write_bytes(b"half of a file")
    assert len(read_lake(tmp_path, SPEC)) == 1


def test_no_clicks_have_no_late_share(tmp_path: Path) -> None:
    write(tmp_path, Sample())
    assert read_lake(tmp_path, SPEC).late_share is None


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=f"^lake {tmp_path / 'no'}: no such folder$"):
        read_lake(tmp_path / "no", SPEC)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LakeError, match=f"^lake {tmp_path / 'empty'}: no samples, neither"):
        read_lake(tmp_path / "empty", SPEC)
    other = tmp_path / "other"
    write(other, Sample(feature_fingerprint="0" * 16))
    with pytest.raises(LakeError, match=f"no samples of features open_bandit {SPEC.fingerprint}"):
        read_lake(other, SPEC)
    (write(tmp_path / "damaged", Sample()) / "part-1").write_bytes(b"PAR1 nonsense")
    with pytest.raises(LakeError, match=r"^lake .*damaged.*: "):
        read_lake(tmp_path / "damaged", SPEC)
