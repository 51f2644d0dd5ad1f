"""SampleBatches on Flink: neither a checkpoint nor a stop with a savepoint cuts a batch short; the
input's end emits it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from streaming.jobs.statements import statement
from streaming.learning.sample_batch import TICK
from streaming.readiness import require_jars
from streaming.settings import JobName

ROOT = Path(__file__).resolve().parents[3]
LOGGING = ROOT / "streaming" / "jobs" / "log4j2.properties"
ROWS = 200
#: Longer than the test may take: no batch ends by time.
GATHER_MS = 3_600_000


def test_what_is_gathered_outlives_checkpoints_and_a_restore(tmp_path: Path) -> None:
    """A process of its own: pyflink warns and keeps files open, and warnings are errors here."""
    logs = {"LOG4J_PROPERTIES": str(LOGGING), "FLINK_LOG_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        env={**os.environ, **logs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Completed checkpoint" in ended.stdout
    (batch,) = json.loads((tmp_path / "batches").read_text())
    assert set(batch) == {TICK}
    # The generator has no state: after the stop it makes all rows anew.
    assert ROWS < len(batch) <= 2 * ROWS


def gathering(point: str) -> tuple[Any, Any]:
    """An environment that goes on from a savepoint, if any, and the batches of some ticks that come
    within two seconds."""
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment
    from pyflink.java_gateway import get_gateway
    from pyflink.table import StreamTableEnvironment

    from streaming.jobs.internal_rows import internal_rows

    configuration = Configuration()
    configuration.set_string("parallelism.default", "1")
    configuration.set_string("execution.checkpointing.interval", "100 ms")
    if point:
        configuration.set_string("execution.state-recovery.path", point)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.add_jars(*(jar.as_uri() for jar in require_jars(ROOT / ".build" / "flink")))
    tables = StreamTableEnvironment.create(environment)
    tables.execute_sql(
        "CREATE TEMPORARY TABLE ticks (tick BIGINT) WITH ('connector' = 'datagen', "
        f"'rows-per-second' = '100', 'number-of-rows' = '{ROWS}')"
    )
    tables.execute_sql(statement(JobName.LEARNING, "tick_labels"))
    ticks = internal_rows(tables, "tick_labels")
    return environment, get_gateway().jvm.ctr.SampleBatches.of(ticks.stream, GATHER_MS)


def stopped(folder: Path) -> str:
    """A savepoint of some of the ticks."""
    from pyflink.java_gateway import get_gateway

    environment, batches = gathering("")
    batches.printToErr()
    client = environment.execute_async()._j_job_client
    while client.getJobStatus().get().name() != "RUNNING":
        time.sleep(0.01)
    # Not for a condition: some ticks are to come, and no batch tells of them.
    time.sleep(1)
    native = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType.NATIVE
    point: str = client.stopWithSavepoint(False, folder.as_uri(), native).get()
    return point


def run_on_flink(folder: Path) -> list[list[int]]:
    """Outcomes of each batch after a stop with a savepoint."""
    _, batches = gathering(stopped(folder))
    came = batches.executeAndCollect()
    found = []
    while came.hasNext():
        found.append(list(came.next().getField(1).getField(0)))
    came.close()
    return found


if __name__ == "__main__":
    told = run_on_flink(Path(sys.argv[1]))
    (Path(sys.argv[1]) / "batches").write_text(json.dumps(told))
