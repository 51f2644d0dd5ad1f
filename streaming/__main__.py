"""``python -m streaming events|learning`` runs a job; the other commands are the operator's."""

import sys
from typing import NoReturn

import typer

from schemas import avro_codec, log_lines, topics
from schemas.features import FeatureError, FeatureSpec
from schemas.served_token import TokenKeys
from schemas.settings import SettingsError, SharedSettings
from streaming import dead_letter_commands
from streaming.lake import commands as lake_commands
from streaming.operate import app
from streaming.readiness import NotReady, require_redis, require_registry, require_topics
from streaming.replay import replay
from streaming.settings import JobName, StreamingSettings

app.add_typer(dead_letter_commands.app, name="dead-letters")
app.add_typer(lake_commands.app, name="lake")
app.command()(replay)


@app.command()
def events() -> None:
    """Run the events job here: labels, counters, lake. Exit code 2: cannot start."""
    shared, settings, spec = _start(topics.ALL)
    from streaming.jobs import events_job
    from streaming.jobs.embedded_flink import EmbeddedJob, JobFailed
    from streaming.jobs.label_join import LabelRules
    from streaming.jobs.redis_rows import RedisTarget

    options = events_job.EventsJobOptions(
        kafka_bootstrap=shared.kafka_bootstrap,
        token_keys=shared.token_keys.get_secret_value(),
        redis=RedisTarget(shared.redis_url, spec, settings.metrics_port_events, shared.log_level),
        lake=settings.lake,
        rules=LabelRules(
            label_wait_ms=settings.label_wait_ms,
            attribution_window_ms=settings.attribution_window_ms,
            negative_keep=settings.negative_keep,
            mature=settings.mature,
        ),
        out_of_order_ms=settings.out_of_order_ms,
        ahead_seconds=settings.ahead_seconds,
        batch_ms=settings.batch_ms,
        archive=settings.archive,
        schema_folder=shared.schema_dir,
        schema_registry=shared.schema_registry_url,
    )
    job = EmbeddedJob(
        JobName.EVENTS,
        settings,
        lambda tables: events_job.build(tables, options),
        events_job.CONFIGURATION,
    )
    try:
        job.run()
    except (NotReady, JobFailed) as error:
        _fail(error, 1)


@app.command()
def learning() -> None:
    """Run the learning job here: samples to row deltas. Exit code 2: cannot start."""
    shared, settings, spec = _start((topics.TRAINING_SAMPLES,))
    from online_model.settings import OnlineModelSettings
    from streaming.jobs import learning_job
    from streaming.jobs.embedded_flink import EmbeddedJob, JobFailed
    from streaming.learning.torch_learners import TorchLearners

    try:
        learners = TorchLearners(spec, OnlineModelSettings.load())
    except SettingsError as error:
        _fail(error, 2)
    options = learning_job.LearningJobOptions(
        kafka_bootstrap=shared.kafka_bootstrap,
        redis_url=shared.redis_url,
        model=shared.model,
        spec=spec,
        metrics_port=settings.metrics_port_learning,
        label_wait_ms=settings.label_wait_ms,
        out_of_order_ms=settings.out_of_order_ms,
        log_level=shared.log_level,
        batch_ms=settings.learning_batch_ms,
        base_wait_seconds=settings.base_wait_seconds,
        schema_folder=shared.schema_dir,
    )
    job = EmbeddedJob(
        JobName.LEARNING,
        settings,
        lambda tables: learning_job.build(tables, options, learners),
        learning_job.CONFIGURATION,
    )
    try:
        job.run()
    except (NotReady, JobFailed) as error:
        _fail(error, 1)


def _start(
    needed: tuple[topics.Topic, ...],
) -> tuple[SharedSettings, StreamingSettings, FeatureSpec]:
    """Settings that were checked, with everything there that they name."""
    try:
        shared, settings = SharedSettings.load(), StreamingSettings.load()
        log_lines.configure(shared.log_level)
        spec = FeatureSpec.load(shared.features)
        TokenKeys.parse(shared.token_keys)
        require_topics(shared.kafka_bootstrap, needed, settings.ready_timeout_seconds)
        require_redis(shared.redis_url, settings.ready_timeout_seconds)
        if shared.schema_dir is not None:
            avro_codec.learn(shared.schema_dir)
        if shared.schema_registry_url:
            require_registry(shared.schema_registry_url, settings.ready_timeout_seconds)
    except (SettingsError, FeatureError, NotReady, ValueError) as error:
        _fail(error, 2)
    return shared, settings, spec


def _fail(error: Exception, code: int) -> NoReturn:
    print(f"streaming: {error}", file=sys.stderr)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
