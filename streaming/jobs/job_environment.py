"""A job's graph in a Flink environment, the same wherever it is going to run."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyflink
from py4j.protocol import Py4JJavaError
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from streaming.flink_options import graph_options
from streaming.flink_start import JobFailed
from streaming.jobs.definitions import JobDefinition
from streaming.jobs.stable_uids import give_stable_uids
from streaming.readiness import require_jars
from streaming.settings import StreamingSettings

LOGGING = Path(__file__).parent / "log4j2.properties"
SHORT_LIVED = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dctr.log.level=WARN"


def start_jvm(settings: StreamingSettings, is_command: bool = False) -> None:
    """Before anything else of pyflink. What Flink logs goes to standard output, or in a command,
    whose answer is there, warnings to standard error. Raises JobFailed without Java."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise JobFailed("no java on the PATH: install JDK 17 (make setup does it as root)")
    os.environ["LOG4J_PROPERTIES"] = str(LOGGING)
    os.environ["FLINK_LOG_DIR"] = str(settings.data.absolute())
    options = SHORT_LIVED if is_command else settings.jvm_options
    os.environ["JVM_ARGS"] = f"-Xmx{settings.heap_mb}m {options}"
    _add_to_class_path(*Path(pyflink.__file__).parent.glob("plugins/metrics-prometheus/*.jar"))
    settings.data.mkdir(parents=True, exist_ok=True)
    standard_output = os.dup(1)
    if is_command:
        os.dup2(2, 1)
    try:
        get_gateway()
    finally:
        os.dup2(standard_output, 1)
        os.close(standard_output)


def build_environment(
    definition: JobDefinition, settings: StreamingSettings, options: Mapping[str, str]
) -> StreamExecutionEnvironment:
    """An environment with the job's operators in it, still to be executed.

    ``options`` say how and where it runs: ``execution.target`` is ``local``, ``remote``, or absent
    inside of a cluster that has them all. Raises NotReady without our jars, JobFailed if Flink does
    not take the job.
    """
    configuration = Configuration()
    given = {**graph_options(settings), **options, **definition.configuration}
    for key, value in given.items():
        configuration.set_string(key, value)
    with java_errors(definition.name):
        environment = StreamExecutionEnvironment(_java_environment(configuration))
        # Not as a setting: our own classes are needed here, too, while the graph is built.
        environment.add_jars(*(jar.as_uri() for jar in require_jars(settings.jars)))
        definition.build(StreamTableEnvironment.create(environment))
        give_stable_uids(environment)
    return environment


@contextmanager
def java_errors(job: str) -> Iterator[None]:
    """What Flink throws becomes JobFailed with the innermost cause."""
    try:
        yield
    except Py4JJavaError as error:
        cause = error.java_exception
        while cause.getCause() is not None:
            cause = cause.getCause()
        raise JobFailed(f"{job}: {cause.toString()}") from None


def _add_to_class_path(*jars: Path) -> None:
    """An embedded cluster looks for no plugins, only on the JVM's own class path; PyFlink lets
    nothing into that but this variable."""
    given = os.environ.get("HADOOP_CLASSPATH", "").split(os.pathsep)
    paths = dict.fromkeys(filter(None, [*given, *map(str, jars)]))
    os.environ["HADOOP_CLASSPATH"] = os.pathsep.join(paths)


def _java_environment(configuration: Configuration) -> object:
    java = get_gateway().jvm.org.apache.flink.streaming.api.environment
    if configuration.get_string("execution.target", "") == "remote":
        return java.StreamExecutionEnvironment(configuration._j_configuration)
    return java.StreamExecutionEnvironment.getExecutionEnvironment(configuration._j_configuration)
