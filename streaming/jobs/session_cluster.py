"""A job submitted to a Flink cluster that runs already, over its REST API."""

from pathlib import Path
from urllib.parse import urlsplit

import pyflink

from streaming.flink_options import run_options
from streaming.jobs.definitions import JobDefinition
from streaming.jobs.job_environment import (
    build_environment,
    java_errors,
    start_jvm,
)
from streaming.recovery import RestorePoint
from streaming.settings import StreamingSettings


def submit(
    definition: JobDefinition,
    settings: StreamingSettings,
    cluster: str,
    point: RestorePoint | None,
    allow_dropped_state: bool = False,
) -> str:
    """Returns the job's id as soon as the cluster has accepted it. Raises NotReady or JobFailed.

    The jars travel with the job. Its Python workers run where the TaskManagers do, with the
    interpreter and the project's folder of this process, which must be there, too.
    """
    start_jvm(settings, is_command=True)
    address = urlsplit(cluster)
    package = Path(pyflink.__file__).parent
    options = {
        **run_options(definition.name, settings, point),
        "execution.target": "remote",
        "execution.attached": "false",
        "execution.state-recovery.ignore-unclaimed-state": str(allow_dropped_state).lower(),
        "rest.address": str(address.hostname),
        "rest.port": str(address.port),
        "python.pythonpath": str(Path(__file__).parents[2]),
    }
    environment = build_environment(definition, settings, options)
    # A cluster's own class path has everything of Flink but this.
    environment.add_jars(*(jar.as_uri() for jar in package.glob("opt/flink-python-*.jar")))
    with java_errors(definition.name):
        return str(environment.execute_async(definition.name).get_job_id())
