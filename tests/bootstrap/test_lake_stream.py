"""The lake as a stream: what the whole lake says, block by block, with a bounded memory of keys."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bootstrap import lake_stream
from bootstrap.lake import read_lake
from bootstrap.lake_stream import Block, LakeStream
from schemas.layout import Layout
from stores.lake.folders import LakeError
from tests.bootstrap.synthetic_lake import declared, write_lake
from tests.bootstrap.test_lake import SPEC, Sample, correction, write

SYNTHETIC = declared(fields=4, buckets=50, dim=2)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("lake"), SYNTHETIC, hours=5, rows=400, rate=0.3)


def blocks_of(stream: LakeStream) -> list[Block]:
    return [block for _, _, block in stream.blocks(stream.hours())]


def test_it_has_the_labels_that_the_whole_lake_has(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_stream, "BLOCK_ROWS", 150)
    blocks = blocks_of(LakeStream(lake, SYNTHETIC))
    whole = read_lake(lake, SYNTHETIC)
    assert max(len(block) for block in blocks) <= 150
    assert sum(len(block) for block in blocks) == len(whole) == 2000
    assert sum(block.labels.sum() for block in blocks) == whole.labels.sum()
    assert sum(block.clicks for block in blocks) == whole.labels.sum()
    assert sum(block.late for block in blocks) > 20
    assert sum(block.read for block in blocks) == 2000 + sum(block.late for block in blocks)
    streamed = np.concatenate([block.samples[block.labels > 0] for block in blocks])
    expected = whole.samples[whole.labels > 0]
    size = streamed.dtype.itemsize
    assert sorted(np.frombuffer(streamed.tobytes(), f"V{size}").tolist()) == sorted(
        np.frombuffer(expected.tobytes(), f"V{size}").tolist()
    )


def test_time_goes_on(lake: Path) -> None:
    times = np.concatenate([block.label_ms for block in blocks_of(LakeStream(lake, SYNTHETIC))])
    hours = times // 3_600_000
    assert (np.diff(hours) >= 0).all()
    assert len(np.unique(hours)) == 5


def test_processes_have_a_part_of_every_block_each(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_stream, "BLOCK_ROWS", 150)
    stream = LakeStream(lake, SYNTHETIC)
    parts = [list(stream.blocks(stream.hours(), part, 3)) for part in range(3)]
    whole = list(stream.blocks(stream.hours()))
    for (*place, block), *given in zip(whole, *parts, strict=True):
        assert [found[:2] for found in given] == 3 * [tuple(place)]
        assert [found[2].read for found in given] == 3 * [pytest.approx(block.read / 3, abs=1)]
        samples = [found[2].samples for found in given]
        assert np.concatenate(samples).tobytes() == block.samples.tobytes()


def test_sampling_drops_the_same_negatives_and_no_click(lake: Path) -> None:
    everything = blocks_of(LakeStream(lake, SYNTHETIC))
    first, again = (blocks_of(LakeStream(lake, SYNTHETIC, keep=0.25)) for _ in range(2))
    clicks = sum(block.labels.sum() for block in everything)
    assert sum(block.labels.sum() for block in first) == clicks
    negatives = sum(len(block) for block in everything) - clicks
    assert sum(len(block) for block in first) - clicks == pytest.approx(negatives / 4, rel=0.15)
    for block, same in zip(first, again, strict=True):
        assert block.samples.tobytes() == same.samples.tobytes()


def test_a_correction_beyond_the_window_is_a_sample_of_its_own(lake: Path) -> None:
    """The window bounds what is held of keys; the join drops such clicks anyway."""
    blocks = blocks_of(LakeStream(lake, SYNTHETIC, window_hours=0))
    late = sum(block.late for block in blocks)
    assert sum(len(block) for block in blocks) == 2000 + late


def test_landed_files_are_read_once_and_others_rows_not_at_all(tmp_path: Path) -> None:
    negative, positive = Sample(), Sample("r2", kind="POSITIVE", label=1, click_ts=1500)
    foreign = Sample("r3", feature_fingerprint="0" * 16)
    mature = replace(positive, kind="MATURE")
    write(tmp_path, negative, positive, foreign, mature)
    write(tmp_path, negative, Sample("r4", sample_weight=0.0), name="part-1")
    write(tmp_path, correction(negative, 5000), hour=8)
    (first, second) = blocks_of(LakeStream(tmp_path, SPEC))
    assert first.labels.tolist() == [1.0]
    assert (second.labels.tolist(), second.late) == ([1.0], 1)
    assert second.label_ms.tolist() == [5000]
    assert second.weights.tolist() == [1.0]
    column = Layout.of(SPEC).position_column
    assert column is not None
    assert second.samples["request_ids"][0, column] % 8 != 1, "where it was shown, not first"


def test_what_is_no_lake_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no such folder"):
        LakeStream(tmp_path / "none", SPEC).hours()
    with pytest.raises(LakeError, match="no complete hour of samples"):
        LakeStream(tmp_path, SPEC).hours()
    folder = write(tmp_path, Sample())
    (folder / "part-0").write_bytes(b"no parquet")
    with pytest.raises(LakeError, match="hour 2025-01-02T07"):
        blocks_of(LakeStream(tmp_path, SPEC))
