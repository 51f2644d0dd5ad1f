"""BalancedLabels on real Flink: a positive waits for the negatives of its age, nothing is lost, and
what Kafka holds again after a restart is learnt once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streaming.jobs.statements import statement
from streaming.learning.sample_batch import TICK
from streaming.readiness import require_jars
from streaming.settings import JobName

ROOT = Path(__file__).resolve().parents[3]
T0 = 1_700_000_000_000
WAIT_MS = 10_000

OUTCOMES = ("POSITIVE", "NEGATIVE", "CORRECTION")
#: kind, sample, ts and label_ts relative to T0, in the order in which they come.
SAMPLES = [
    ("POSITIVE", "a", 0, 1_000),
    ("NEGATIVE", "old", -WAIT_MS, 1_500),
    ("POSITIVE", "b", 4_000, 5_000),
    ("CORRECTION", "old", -WAIT_MS, 6_000),
    ("NEGATIVE", "c", 0, 10_000),
    ("POSITIVE", "late", -20_000, 10_500),
    ("NEGATIVE", "d", 1_000, 11_001),
    ("POSITIVE", "end", 11_000, 12_000),
]
#: What a restarted join said before and after it, of clicks that were behind event time.
REPEATED = [
    ("NEGATIVE", "was-negative", 0, 10_000),
    ("POSITIVE", "was-negative", 0, 10_001),
    ("CORRECTION", "was-negative", 0, 10_002),
    ("POSITIVE", "was-positive", 9_000, 10_003),
    ("NEGATIVE", "was-positive", 9_000, 10_004),
    ("CORRECTION", "was-positive", 9_000, 10_005),
    ("POSITIVE", "was-positive", 9_000, 10_003),
    ("CORRECTION", "not-kept", 0, 10_006),
    ("CORRECTION", "not-kept", 0, 10_006),
]
Released = list[tuple[int, int]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Released, Released]:
    """Outcome and label time of what comes out of SAMPLES and of REPEATED, in order."""
    folder = tmp_path_factory.mktemp("samples")
    # What is held must not expire with what repeats are known by.
    processes = [begin(folder / "once", SAMPLES, 1), begin(folder / "again", REPEATED, 3_600_000)]
    once, again = map(released_by, processes)
    return once, again


@pytest.fixture
def released(runs: tuple[Released, Released]) -> Released:
    return runs[0]


@pytest.fixture
def released_of_repeated(runs: tuple[Released, Released]) -> Released:
    return runs[1]


def begin(
    file: Path, samples: list[tuple[str, str, int, int]], remembered_ms: int
) -> subprocess.Popen[str]:
    """A process of its own: pyflink warns and keeps files open, and warnings are errors here."""
    lines = [
        f"{kind},{name},{T0 + ts},{T0 + label},{'' if kind == 'NEGATIVE' else T0 + label}"
        for kind, name, ts, label in samples
    ]
    file.write_text("\n".join(lines) + "\n")
    return subprocess.Popen(
        [sys.executable, __file__, file.as_uri(), str(remembered_ms)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def released_by(process: subprocess.Popen[str]) -> Released:
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    return [(outcome, label) for outcome, label in json.loads(out.splitlines()[-1])]


def run_on_flink(samples: str, remembered_ms: str) -> Released:
    """The job's own operator over a CSV file, and ticks after it."""
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment
    from pyflink.java_gateway import get_gateway
    from pyflink.table import StreamTableEnvironment

    from streaming.jobs.internal_rows import internal_rows, name_stream

    configuration = Configuration()
    configuration.set_string("parallelism.default", "1")
    # Watermarks come with the elements, not now and then.
    configuration.set_string("pipeline.auto-watermark-interval", "0 ms")
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.add_jars(*(jar.as_uri() for jar in require_jars(ROOT / ".build" / "flink")))
    tables = StreamTableEnvironment.create(environment)
    event_time = statement(JobName.LEARNING, "event_time", label_wait_ms=WAIT_MS)
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE samples (
          kind STRING, sample_id STRING NOT NULL, ts BIGINT NOT NULL, label_ts BIGINT NOT NULL,
          click_ts BIGINT,
          event_time AS {event_time}, WATERMARK FOR event_time AS event_time
        ) WITH ('connector' = 'filesystem', 'path' = '{samples}', 'format' = 'csv',
          'csv.null-literal' = '')""")
    tables.execute_sql("""
        CREATE TEMPORARY VIEW read_samples AS
        SELECT sample_id, 'ad' AS ad_id, kind, ts,
          CASE kind WHEN 'POSITIVE' THEN 0 WHEN 'NEGATIVE' THEN 1 ELSE 2 END AS outcome,
          X'00' AS inputs, 1 AS label, CAST(1 AS FLOAT) AS sample_weight, 1 AS shown_position,
          COALESCE(click_ts, CAST(0 AS BIGINT)) AS click_ts, label_ts
        FROM samples""")
    tables.execute_sql(
        "CREATE TEMPORARY TABLE ticks (tick BIGINT) WITH ("
        "'connector' = 'datagen', 'number-of-rows' = '3')"
    )
    tables.execute_sql(statement(JobName.LEARNING, "tick_labels"))
    samples_read = internal_rows(tables, "read_samples")
    ticks = internal_rows(tables, "tick_labels")
    balanced = get_gateway().jvm.ctr.BalancedLabels.of(
        samples_read.stream, samples_read.columns, ticks.stream, WAIT_MS, int(remembered_ms)
    )
    name_stream(tables, "balanced", balanced, event_time)
    result = tables.execute_sql(f"SELECT outcome, label_ts - {T0} FROM balanced")
    with result.collect() as rows:
        came = [(row[0], row[1]) for row in rows]
    assert [outcome for outcome, _ in came].count(TICK) == 3
    return [(outcome, label) for outcome, label in came if outcome != TICK]


def test_every_sample_comes_out_once(released: Released) -> None:
    assert sorted(label for _, label in released) == sorted(label for *_, label in SAMPLES)


def test_positives_wait_until_the_clock_passes_the_end_of_their_label_wait(
    released: Released,
) -> None:
    order = [label for _, label in released]
    assert order.index(10_000) < order.index(1_000) < order.index(10_500), "it ends at 10,000"
    assert order.index(11_001) < order.index(5_000), "it ends at 14,000"


def test_negatives_pass_at_once_and_late_clicks_wait_for_those_of_their_time(
    released: Released,
) -> None:
    others = [label for outcome, label in released if outcome != 0]
    assert others == [1_500, 10_000, 6_000, 11_001]


def test_a_positive_whose_wait_is_over_passes_at_once(released: Released) -> None:
    order = [label for _, label in released]
    assert order.index(10_500) < order.index(11_001)


def test_what_was_learnt_first_stands(released_of_repeated: Released) -> None:
    """A click that is learnt after the negative corrects it."""
    came = [(OUTCOMES[outcome], label) for outcome, label in released_of_repeated]
    assert came == [
        ("NEGATIVE", 10_000),
        ("CORRECTION", 10_001),
        ("CORRECTION", 10_006),
        ("POSITIVE", 10_003),
    ]


if __name__ == "__main__":
    print(json.dumps(run_on_flink(*sys.argv[1:])))
