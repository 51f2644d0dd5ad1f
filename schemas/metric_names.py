"""Every Prometheus metric that a process exports: name, help, labels."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` without the suffixes that Prometheus adds; units are in the name."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


#: Buckets for freshness, in seconds: from an event's own time to where it is seen.
FRESHNESS_BUCKETS = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 20, 30, 60, 300, 3600)
LATENCY_BUCKETS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1,
)  # fmt: skip

# freshness: hops by the events' own times, after each of them
EVENT_TO_KAFKA_SECONDS = Metric(
    "ctr_event_to_kafka_seconds", "From an event's time until Kafka has it; sampled", ("topic",)
)
CLICK_TO_COUNTER_SECONDS = Metric(
    "ctr_click_to_counter_seconds", "From a click's time until its counters are in Redis"
)
COUNTER_TO_SCORER_SECONDS = Metric(
    "ctr_counter_to_scorer_seconds", "From counters' newest event until a scorer has them"
)
CLICK_TO_LABEL_SECONDS = Metric(
    "ctr_click_to_label_seconds", "From a click's time until its labelled sample is in Kafka"
)
CLICK_TO_GRADIENT_SECONDS = Metric(
    "ctr_click_to_gradient_seconds", "From a click's time until the learner begins to learn it"
)
CLICK_TO_DELTA_SECONDS = Metric(
    "ctr_click_to_delta_seconds", "From a click's time until its row delta is in Redis"
)
CLICK_TO_SCORE_SECONDS = Metric(
    "ctr_click_to_score_seconds", "From a click's time until scores are changed by it"
)

# scorer
REQUESTS = Metric("ctr_scorer_requests", "Requests answered", ("method", "code", "rung"))
REQUEST_SECONDS = Metric("ctr_scorer_request_seconds", "Latency of requests", ("method", "rung"))
STAGE_SECONDS = Metric("ctr_scorer_stage_seconds", "Latency of stages", ("stage",))
MODEL_INFO = Metric("ctr_scorer_model_info", "1 for the version that is served", ("version",))
MODEL_AGE_SECONDS = Metric("ctr_scorer_model_age_seconds", "Age of the package that is served")
RECALL = Metric(
    "ctr_scorer_recall", "Share of the exact best candidates that retrieval found, of some requests"
)
ADS = Metric("ctr_scorer_ads", "Active ads in memory")
ROWS_APPLIED = Metric("ctr_scorer_rows_applied", "Rows changed by deltas")
DELTA_RESYNCS = Metric("ctr_scorer_delta_resyncs", "Reloads of the compacted rows", ("reason",))
PACKAGES_REFUSED = Metric("ctr_scorer_packages_refused", "Packages that were refused")
STALE_SECONDS = Metric(
    "ctr_scorer_stale_seconds", "Age of the oldest row change that not all of its ads show yet"
)
USER_READS = Metric("ctr_scorer_user_reads", "Reads of user rows", ("outcome",))
CHANGES_REFUSED = Metric("ctr_scorer_changes_refused", "Damaged catalogue or counter changes")
FEEDER_ERRORS = Metric("ctr_scorer_feeder_errors", "Failed steps of the background threads")

# events job
ROWS_WRITTEN = Metric("ctr_sink_rows_written", "Rows written to Redis", ("kind",))
BATCH_SECONDS = Metric("ctr_sink_batch_seconds", "Time to write one batch to Redis")

# learning job
SAMPLES_LEARNT = Metric("ctr_learner_samples", "Samples learnt", ("kind",))
SAMPLES_REFUSED = Metric("ctr_learner_samples_refused", "Samples not learnt", ("reason",))
LEARNER_LOG_LOSS = Metric("ctr_learner_log_loss", "Progressive log loss, first labels, decayed")
LEARNER_PCOC = Metric("ctr_learner_pcoc", "Predicted over observed clicks, decayed")
DELTA_ROWS = Metric("ctr_learner_delta_rows", "Rows published in deltas")
LEARN_SECONDS = Metric("ctr_learner_batch_seconds", "Time to learn one batch")
LATE_CLICK_SHARE = Metric("ctr_learner_late_click_share", "Clicks that come after the first label")
TOUCHED_ROWS = Metric("ctr_learner_touched_rows", "Rows that differ from the base package")
BASE_RATE_SHIFT = Metric("ctr_learner_base_rate_shift", "Added to served logits by recalibration")
LEARNER_AUC = Metric("ctr_learner_auc", "Progressive AUC, first labels, decayed")
LEARNER_DRIFT = Metric("ctr_learner_drift", "Changes found in progressive quality", ("of",))
LEARNER_WITHHELD = Metric(
    "ctr_learner_withheld", "1 while labels contradict the model and are not learnt"
)

# bootstrap
TRAINED_ROWS = Metric("ctr_bootstrap_rows", "Rows of history of the last training", ("model",))
TRAINED_SECONDS = Metric("ctr_bootstrap_seconds", "Duration of the last training", ("model",))
TRAINED_LOG_LOSS = Metric("ctr_bootstrap_log_loss", "Log loss on later history", ("model",))
TRAINED_AUC = Metric("ctr_bootstrap_auc", "AUC on later history", ("model",))
TRAINED_PCOC = Metric("ctr_bootstrap_pcoc", "Predicted over observed, later history", ("model",))

# monitor
MONITOR_FAULTS = Metric("ctr_monitor_faults", "Looks that failed", ("source",))
KAFKA_END_OFFSET = Metric("ctr_kafka_end_offset", "End of a partition", ("topic", "partition"))
KAFKA_COMMITTED_OFFSET = Metric(
    "ctr_kafka_committed_offset", "Read, with a checkpoint", ("group", "topic", "partition")
)
KAFKA_LAG = Metric("ctr_kafka_lag", "End less committed offset", ("group", "topic", "partition"))
KAFKA_EVENT_AGE_SECONDS = Metric(
    "ctr_kafka_event_age_seconds", "Age of a partition's newest event", ("topic", "partition")
)
REDIS_UP = Metric("ctr_redis_up", "1 if Redis answers")
REDIS_USED_BYTES = Metric("ctr_redis_used_bytes", "Memory in use, of all servers")
REDIS_LIMIT_BYTES = Metric("ctr_redis_limit_bytes", "maxmemory of all servers, 0 for none")
LEARNER_SILENCE_SECONDS = Metric("ctr_learner_silence_seconds", "Since the newest row delta")
LEARNER_WATERMARK_AGE_SECONDS = Metric(
    "ctr_learner_watermark_age_seconds", "Age of the newest label learnt"
)
MODEL_DATA_AGE_SECONDS = Metric(
    "ctr_model_data_age_seconds", "Age of the newest label in the package that is current"
)
MODEL_RETRAINED_AGE_SECONDS = Metric(
    "ctr_model_retrained_age_seconds", "Age of the newest label in the newest retrained package"
)
LABELS = Metric("ctr_labels", "Labelled samples", ("kind",))
AD_IMPRESSIONS = Metric("ctr_ad_impressions", "Impressions that were joined", ("arm",))
AD_CLICKS = Metric("ctr_ad_clicks", "Clicks that were joined", ("arm",))
AD_REVENUE_MICROS = Metric(
    "ctr_ad_revenue_micros", "Prices of clicks, micros of currency", ("arm",)
)
DEAD_LETTERS = Metric("ctr_dead_letters", "Records that were refused", ("reason",))
SERVED_PCOC = Metric(
    "ctr_served_pcoc", "Served over observed clicks, last minutes", ("dimension", "value")
)
SERVED_CLICKS = Metric(
    "ctr_served_clicks", "Observed clicks behind ctr_served_pcoc", ("dimension", "value")
)
SERVED_LOG_LOSS = Metric("ctr_served_log_loss", "Log loss of what was served, last minutes")
SERVED_AUC = Metric("ctr_served_auc", "AUC of what was served, last minutes")
FEATURE_PSI = Metric("ctr_feature_psi", "PSI of serving and training values", ("feature",))
FEATURE_KL = Metric("ctr_feature_kl", "KL(serving ‖ training) in nats", ("feature",))
FEATURE_DEFAULT_SHARE = Metric(
    "ctr_feature_default_share", "Served rows without a value", ("feature",)
)

# stand-in ad server
ADSERVER_EVENTS = Metric("ctr_adserver_events", "Events sent", ("topic",))
ADSERVER_REQUEST_SECONDS = Metric("ctr_adserver_request_seconds", "Latency as the client sees it")

# console
CONSOLE_ACTIONS = Metric("ctr_console_actions", "What operators did", ("action", "outcome"))
CONSOLE_SOURCE_UP = Metric("ctr_console_source_up", "1 if the last look succeeded", ("source",))
CONSOLE_STREAMS = Metric("ctr_console_streams", "Browsers that follow the loop")

# Flink's own, by its Prometheus reporter: those that rules, boards and the console rely on
FLINK_FAILED_CHECKPOINTS = Metric(
    "flink_jobmanager_job_numberOfFailedCheckpoints", "Since the job began", ("job_name",)
)
FLINK_COMPLETED_CHECKPOINTS = Metric(
    "flink_jobmanager_job_numberOfCompletedCheckpoints", "Since the job began", ("job_name",)
)
FLINK_CHECKPOINT_MS = Metric(
    "flink_jobmanager_job_lastCheckpointDuration", "Of the newest one", ("job_name",)
)
FLINK_CHECKPOINT_BYTES = Metric(
    "flink_jobmanager_job_lastCheckpointSize", "Of the newest one", ("job_name",)
)
FLINK_RESTARTS = Metric("flink_jobmanager_job_numRestarts", "Of the job", ("job_name",))
FLINK_RECORDS_IN = Metric(
    "flink_taskmanager_job_task_numRecordsIn", "Read by a task", ("job_name", "task_name")
)
FLINK_RECORDS_OUT = Metric(
    "flink_taskmanager_job_task_numRecordsOut", "Written by a task", ("job_name", "task_name")
)
FLINK_WATERMARK_MS = Metric(
    "flink_taskmanager_job_task_operator_currentOutputWatermark",
    "Event time that an operator has passed on, Unix ms",
    ("job_name", "operator_name"),
)
FLINK_BACK_PRESSURED_MS = Metric(
    "flink_taskmanager_job_task_backPressuredTimeMsPerSecond",
    "Of each second, how long a task waits for the next",
    ("job_name", "task_name"),
)
FLINK_BUSY_MS = Metric(
    "flink_taskmanager_job_task_busyTimeMsPerSecond", "Of each second", ("job_name", "task_name")
)
FLINK_HEAP_BYTES = Metric("flink_taskmanager_Status_JVM_Memory_Heap_Used", "Of a TaskManager")

FLINK_PREFIX = "flink_"


def all_metrics() -> tuple[Metric, ...]:
    """Every metric of this list, in its order."""
    return tuple(value for value in globals().values() if isinstance(value, Metric))
