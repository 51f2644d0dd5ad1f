"""Says before an upgrade what a job would do with a savepoint, without running it."""

from pathlib import Path

from streaming import uid_lock
from streaming.jobs.job_environment import start_jvm
from streaming.jobs.operators import operators_of
from streaming.jobs.savepoint_metadata import read_savepoint
from streaming.settings import JobName
from streaming.start_up import JobInputs
from streaming.upgrade import UpgradeReport, judge


def check_upgrade(job: JobName, inputs: JobInputs, savepoint: Path) -> UpgradeReport:
    """Raises NotReady without our jars, JobFailed if the job cannot be built."""
    start_jvm(inputs.streaming, is_command=True)
    graph = operators_of(job, inputs)
    return judge(graph, read_savepoint(savepoint), uid_lock.read(job))
