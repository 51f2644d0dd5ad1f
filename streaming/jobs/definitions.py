"""The two jobs as settings make them: what embedded, remote and offline building share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyflink.table import StreamTableEnvironment

from streaming.jobs import events_job, learning_job
from streaming.jobs.label_join import LabelRules
from streaming.jobs.redis_rows import RedisTarget
from streaming.settings import JobName
from streaming.start_up import JobInputs


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """``build`` adds the operators, ``configuration`` is Flink's besides what all jobs have."""

    name: JobName
    build: Callable[[StreamTableEnvironment], None]
    configuration: Mapping[str, str]


def define(job: JobName, inputs: JobInputs) -> JobDefinition:
    """A job of these settings. Raises SettingsError if those of the model are wrong."""
    return _events(inputs) if job is JobName.EVENTS else _learning(inputs)


def _events(inputs: JobInputs) -> JobDefinition:
    shared, settings = inputs.shared, inputs.streaming
    options = events_job.EventsJobOptions(
        kafka=shared.kafka,
        token_keys=shared.token_keys.get_secret_value(),
        redis=RedisTarget(
            shared.redis, inputs.spec, settings.metrics_port_events, shared.log_level
        ),
        lake=settings.lake,
        rules=LabelRules(
            label_wait_ms=settings.label_wait_ms,
            attribution_window_ms=settings.attribution_window_ms,
            negative_keep=settings.negative_keep,
            mature=settings.mature,
        ),
        out_of_order_ms=settings.out_of_order_ms,
        ahead_seconds=settings.ahead_seconds,
        count_ms=settings.count_ms,
        batch_ms=settings.batch_ms,
        archive=settings.archive,
        schema_folder=shared.schema_dir,
        schema_registry=shared.schema_registry_url,
    )
    return JobDefinition(
        JobName.EVENTS,
        lambda tables: events_job.build(tables, options),
        events_job.CONFIGURATION,
    )


def _learning(inputs: JobInputs) -> JobDefinition:
    # Here, so that the events job does without torch: seconds and hundreds of megabytes.
    from online_model.settings import OnlineModelSettings
    from streaming.learning.torch_learners import TorchLearners

    shared, settings = inputs.shared, inputs.streaming
    learners = TorchLearners(inputs.spec, OnlineModelSettings.load())
    options = learning_job.LearningJobOptions(
        kafka=shared.kafka,
        redis=shared.redis,
        model=shared.model,
        spec=inputs.spec,
        metrics_port=settings.metrics_port_learning,
        label_wait_ms=settings.label_wait_ms,
        out_of_order_ms=settings.out_of_order_ms,
        log_level=shared.log_level,
        batch_ms=settings.learning_batch_ms,
        base_wait_seconds=settings.base_wait_seconds,
        schema_folder=shared.schema_dir,
    )
    return JobDefinition(
        JobName.LEARNING,
        lambda tables: learning_job.build(tables, options, learners),
        learning_job.CONFIGURATION,
    )
