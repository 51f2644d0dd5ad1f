"""The audit on a real Redis: silent when all agrees, and it names what was tampered with."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis

from bootstrap.counter_audit import audit_counters, counter_row, ms
from bootstrap.publisher import Publisher
from bootstrap.score_audit import SETTLED_MS, audit_scores
from bootstrap.training import TrainedPackage
from online_model.training.package_scorer import PackageScorer
from schemas import redis_keys
from schemas.features import FeatureSpec
from schemas.lake import SAMPLES
from schemas.layout import Layout
from schemas.redis_values import CounterRow, versioned
from schemas.row_delta import RowDelta
from stores.lake.folders import LakeError
from stores.lake.parquet_files import write_file
from stores.paged_reads import whole_hash
from tests.bootstrap.synthetic_lake import write_lake
from tests.schemas.rows_hash import row_key

MODEL = "audited"
ROWS = 400
MINUTE_MS = 60_000


@pytest.fixture
def lake(tmp_path: Path, spec: FeatureSpec, trained: TrainedPackage) -> Path:
    """Three ads, two users, a label wait of a minute, served by the package as it is."""
    made = write_lake(tmp_path / "lake", spec, hours=1, rows=ROWS, rate=0.3)
    (file,) = made.rglob(SAMPLES.file_name)
    table = pq.read_table(file)
    inputs = Layout.of(spec).unpack(b"".join(table["inputs"].to_pylist()))
    served = PackageScorer(trained.package, spec).probabilities(inputs)
    shown_ms = table["ts"].cast(pa.int64()).to_numpy().copy()
    # Of all that came more than a second before the last one without a click the audit knows.
    shown_ms[-1] += MINUTE_MS
    for name, values in (
        ("ts", shown_ms),
        ("kind", [*table["kind"].to_pylist()[:-1], "NEGATIVE"]),
        ("label", [*table["label"].to_pylist()[:-1], 0]),
        ("click_ts", [*table["click_ts"].to_pylist()[:-1], None]),
        ("ad_id", [*(f"ad-{number % 3}" for number in range(ROWS - 1)), "ad-last"]),
        ("user_id", [*(f"user-{number % 2}" for number in range(ROWS - 1)), "user-last"]),
        ("predicted_ctr", served),
        ("model_version", [trained.package.manifest.version] * ROWS),
        ("label_ts", shown_ms + MINUTE_MS),
    ):
        place = table.schema.get_field_index(name)
        kind = table.schema.field(place)
        table = table.set_column(place, kind, pa.array(values).cast(kind.type))
    write_file(SAMPLES, table, file)
    return made


@pytest.fixture
def engine(client: redis.Redis, spec: FeatureSpec, lake: Path, trained: TrainedPackage) -> Any:
    """Redis as the jobs would have left it: every counter as of its newest event."""
    client.flushdb()
    Publisher(client, MODEL, keep_versions=3).publish(
        trained.package.__class__(
            trained.package.manifest.model_copy(update={"model": MODEL}), trained.package.files
        ),
        now_ms=1,
    )
    events: defaultdict[str, list[tuple[int, bool]]] = defaultdict(list)
    (file,) = lake.rglob(SAMPLES.file_name)
    for row in pq.read_table(file).to_pylist():
        values = {"ad": {"ad_id": row["ad_id"]}, "user": {"user_id": row["user_id"]}}
        for counter in ("ad", "advertiser", "user"):
            key = spec.counter_key(counter, values)
            events[key].append((ms(row["ts"]), False))
            if row["click_ts"] is not None:
                events[key].append((ms(row["click_ts"]), True))
    for key, of_key in events.items():
        newest = max(ts for ts, _ in of_key)
        put(client, key, newest, counter_row(of_key, newest))
    return client


def put(client: Any, key: str, version: int, row: CounterRow) -> None:
    name, _, value = key.partition(":")
    stored = versioned(version, row.pack())
    if name == "user":
        client.hset(redis_keys.user(value), f"counter:{name}", stored)
    else:
        client.hset(redis_keys.counters(redis_keys.shard(key)), key, stored)


def test_counters_agree_and_a_wrong_one_is_named(
    engine: Any, spec: FeatureSpec, lake: Path
) -> None:
    found = audit_counters(engine, spec, lake)
    assert (found.different, found.unchecked) == (0, ("segment_category",))
    assert (found.compared, found.newer) == (5, 3)  # three ads, two users; the last ones
    wrong = CounterRow((1, 1, 1, 1), (0, 0, 0, 0))
    put(engine, "ad:ad-1", 2**45, wrong)
    assert audit_counters(engine, spec, lake).newer == 4
    put(engine, "ad:ad-1", 1_767_225_600_000 + 59 * MINUTE_MS, wrong)
    found = audit_counters(engine, spec, lake)
    assert (found.different, found.differences[0]["key"]) == (1, "ad:ad-1")
    engine.hdel(redis_keys.counters(redis_keys.shard("ad:ad-2")), "ad:ad-2")
    assert audit_counters(engine, spec, lake).different == 2


def test_what_no_window_reaches_is_not_read(engine: Any, spec: FeatureSpec, lake: Path) -> None:
    """A lake of months takes no longer than its last weeks."""
    folder = lake / SAMPLES.name / "day=2025-12-01" / "hour=00"
    folder.mkdir(parents=True)
    (folder / "part-0").write_bytes(b"cannot be read")
    assert audit_counters(engine, spec, lake).compared == 5
    assert audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS).compared == ROWS
    with pytest.raises(LakeError):
        audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS + 1)


def test_scores_agree_and_a_wrong_row_is_noticed(
    engine: Any, spec: FeatureSpec, lake: Path, trained: TrainedPackage
) -> None:
    version = trained.package.manifest.version
    found = audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS)
    assert (found.version, found.compared, found.different) == (version, ROWS, 0)
    # Labels may change no row.
    nothing, no_clicks = np.zeros((0, 1 + spec.embedding_dim), np.float32), np.zeros(0, np.int64)
    unchanged = RowDelta(version, "e", 0, np.zeros(0, np.int32), nothing, no_clicks)
    engine.xadd(redis_keys.model_deltas(MODEL, version), unchanged.to_fields(), id="1-0")
    found = audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS)
    assert (found.compared, found.different) == (ROWS, 0)
    row = Layout.of(spec).offsets["category"]
    values = np.full((1, 1 + spec.embedding_dim), 3.0, np.float32)
    everywhere = np.array([row], np.int32)
    delta = RowDelta(version, "e", 1, everywhere, values, no_clicks)
    # Learnt long before anything was served: scores must have had it, and did not.
    engine.xadd(redis_keys.model_deltas(MODEL, version), delta.to_fields(), id="2-0")
    engine.hset(redis_keys.model_rows(MODEL, version), row_key(row), values.tobytes())
    found = audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS)
    assert found.compared == ROWS
    assert found.different > 0
    # Learnt again after it was served: what it was until then is known all the same.
    engine.xadd(redis_keys.model_deltas(MODEL, version), delta.to_fields(), id=f"{2**45}-0")
    again = audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS)
    assert (again.compared, again.different) == (ROWS, found.different)


def test_a_sample_is_compared_with_the_model_as_it_was(
    engine: Any, spec: FeatureSpec, lake: Path, trained: TrainedPackage
) -> None:
    """Half of the samples come before a row is learnt, with which they do not agree."""
    version = trained.package.manifest.version
    deltas = redis_keys.model_deltas(MODEL, version)
    (file,) = lake.rglob(SAMPLES.file_name)
    moments = sorted(ms(ts) for ts in pq.read_table(file)["ts"].to_pylist())
    row = np.array([Layout.of(spec).offsets["category"]], np.int32)
    values = np.full((1, 1 + spec.embedding_dim), 3.0, np.float32)
    learnt = RowDelta(version, "e", 0, row, values, np.zeros(0, np.int64), shift=0.5)
    engine.xadd(deltas, learnt.to_fields(), id=f"{moments[ROWS // 2]}-0")
    engine.hset(redis_keys.model_rows(MODEL, version), row_key(int(row[0])), values.tobytes())
    found = audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS)
    settled = sum(moment > moments[ROWS // 2] + SETTLED_MS for moment in moments)
    assert (found.compared, found.different) == (ROWS, settled)
    # The learner began anew, and the stream was trimmed: nobody knows what the row was before.
    engine.delete(deltas)
    for number, moment in ((7, moments[-1] + 1), (0, moments[-1] + 60_000)):
        again = RowDelta(version, f"e{number}", number, row, values, np.zeros(0, np.int64))
        engine.xadd(deltas, again.to_fields(), id=f"{moment}-0")
    found = audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS)
    assert found.compared + found.unknown == ROWS
    assert found.compared < ROWS // 10


def test_a_row_that_changes_while_they_are_read_was_not_always_so(
    engine: Any,
    spec: FeatureSpec,
    lake: Path,
    trained: TrainedPackage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version, dim = trained.package.manifest.version, spec.embedding_dim
    deltas, rows = redis_keys.model_deltas(MODEL, version), redis_keys.model_rows(MODEL, version)
    row = np.array([Layout.of(spec).offsets["category"]], np.int32)
    values, no_clicks = np.full((1, 1 + dim), 3.0, np.float32), np.zeros(0, np.int64)
    nothing = RowDelta(version, "e", 7, row[:0], values[:0], no_clicks)
    engine.xadd(deltas, nothing.to_fields(), id="1-0")

    def read(client: Any, key: str) -> dict[bytes, bytes]:
        """By the learner's own order: rows, then what tells of them."""
        client.hset(rows, row_key(int(row[0])), values.tobytes())
        found = whole_hash(client, key)
        learnt = RowDelta(version, "e", 8, row, values, no_clicks)
        client.xadd(deltas, learnt.to_fields(), id=f"{2**45}-0")
        return found

    monkeypatch.setattr("bootstrap.served_states.whole_hash", read)
    found = audit_scores(engine, MODEL, spec, lake, tolerance=1e-6, most=ROWS)
    assert (found.different, found.compared + found.unknown) == (0, ROWS)
    assert found.unknown > 0
