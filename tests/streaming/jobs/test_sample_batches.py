"""SampleBatches on Flink: a checkpoint does not cut a batch short, the input's end emits it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from streaming.jobs.statements import statement
from streaming.learning.sample_batch import TICK
from streaming.readiness import require_jars
from streaming.settings import JobName

ROOT = Path(__file__).resolve().parents[3]
LOGGING = ROOT / "streaming" / "jobs" / "log4j2.properties"
ROWS = 200
#: Longer than the test may take: no batch ends by time.
GATHER_MS = 3_600_000


def test_a_checkpoint_does_not_cut_a_batch_short(tmp_path: Path) -> None:
    """A process of its own: pyflink warns and keeps files open, and warnings are errors here."""
    logs = {"LOG4J_PROPERTIES": str(LOGGING), "FLINK_LOG_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, __file__, str(tmp_path / "batches")],
        env={**os.environ, **logs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Completed checkpoint" in ended.stdout
    assert json.loads((tmp_path / "batches").read_text()) == [[TICK] * ROWS]


def run_on_flink() -> list[list[int]]:
    """Outcomes of each batch of some ticks that come within two seconds."""
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment
    from pyflink.java_gateway import get_gateway
    from pyflink.table import StreamTableEnvironment

    from streaming.jobs.internal_rows import internal_rows

    configuration = Configuration()
    configuration.set_string("parallelism.default", "1")
    configuration.set_string("execution.checkpointing.interval", "100 ms")
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.add_jars(*(jar.as_uri() for jar in require_jars(ROOT / ".build" / "flink")))
    tables = StreamTableEnvironment.create(environment)
    tables.execute_sql(
        "CREATE TEMPORARY TABLE ticks (tick BIGINT) WITH ('connector' = 'datagen', "
        f"'rows-per-second' = '100', 'number-of-rows' = '{ROWS}')"
    )
    tables.execute_sql(statement(JobName.LEARNING, "tick_labels"))
    ticks = internal_rows(tables, "tick_labels")
    batches = get_gateway().jvm.ctr.SampleBatches.of(ticks.stream, GATHER_MS)
    came = batches.executeAndCollect()
    found = []
    while came.hasNext():
        found.append(list(came.next().getField(0)))
    came.close()
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(run_on_flink()))
