"""The operators of a job that was built, as Flink would run them."""

from pyflink.datastream import StreamExecutionEnvironment

from streaming.flink_options import run_options
from streaming.jobs.definitions import define
from streaming.jobs.job_environment import build_environment, java_errors
from streaming.settings import JobName
from streaming.start_up import JobInputs
from streaming.upgrade import GraphOperator


def operators_of(job: JobName, inputs: JobInputs) -> tuple[GraphOperator, ...]:
    """Builds the job without a cluster. Raises NotReady or JobFailed."""
    options = {**run_options(job, inputs.streaming, None), "execution.target": "local"}
    environment = build_environment(define(job, inputs), inputs.streaming, options)
    with java_errors(job):
        return _operators(environment)


def _operators(environment: StreamExecutionEnvironment) -> tuple[GraphOperator, ...]:
    graph = environment._generate_stream_graph(clear_transformations=True).getJobGraph()
    return tuple(
        GraphOperator(
            id=operator.getGeneratedOperatorID().toString(),
            uid=operator.getUserDefinedOperatorUid(),
            name=operator.getUserDefinedOperatorName(),
            max_parallelism=vertex.getMaxParallelism(),
        )
        for vertex in graph.getVerticesSortedTopologicallyFromSources()
        for operator in vertex.getOperatorIDs()
    )
