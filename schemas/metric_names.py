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

# scorer
REQUESTS = Metric("ctr_scorer_requests", "Requests answered", ("method", "code", "rung"))
REQUEST_SECONDS = Metric("ctr_scorer_request_seconds", "Latency of requests", ("method",))
STAGE_SECONDS = Metric("ctr_scorer_stage_seconds", "Latency of stages", ("stage",))
MODEL_INFO = Metric("ctr_scorer_model_info", "1 for the version that is served", ("version",))
MODEL_AGE_SECONDS = Metric("ctr_scorer_model_age_seconds", "Age of the package that is served")
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
CLICK_TO_SCORE_SECONDS = Metric(
    "ctr_click_to_score_seconds", "From a click's time until scores are changed by it"
)

# events job
ROWS_WRITTEN = Metric("ctr_sink_rows_written", "Rows written to Redis", ("kind",))
BATCH_SECONDS = Metric("ctr_sink_batch_seconds", "Time to write one batch to Redis")
CLICK_TO_COUNTER_SECONDS = Metric(
    "ctr_click_to_counter_seconds", "From a click's time until its counters are in Redis"
)

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

# stand-in ad server
ADSERVER_EVENTS = Metric("ctr_adserver_events", "Events sent", ("topic",))
ADSERVER_REQUEST_SECONDS = Metric("ctr_adserver_request_seconds", "Latency as the client sees it")

# console
CONSOLE_ACTIONS = Metric("ctr_console_actions", "What operators did", ("action", "outcome"))
CONSOLE_SOURCE_UP = Metric("ctr_console_source_up", "1 if the last look succeeded", ("source",))
CONSOLE_STREAMS = Metric("ctr_console_streams", "Browsers that follow the loop")
