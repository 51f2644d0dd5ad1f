"""Each box of the loop: ``good``, ``warn`` (look at it), ``bad`` (act) or ``unknown`` (nobody can
tell, or nothing has begun), and why. Pure functions of what was seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.console.sight import Box, Figure, Health, Sight
from deploy.console.watching import Reading
from deploy.scrape import Scrape
from schemas import metric_names as names
from schemas.metric_names import Metric

LAG_RECORDS = 100_000
FRESH_SECONDS = 30.0
STALE_MODEL_SECONDS = 26 * 3600.0
SLOW_SECONDS = 0.1
CHECKPOINT_SECONDS = 60.0
MEMORY_SHARE = 0.9
PCOC_FACTOR = 1.1


def ad_server(sight: Sight) -> Box:
    """Seen by what it sends."""
    box = Box("adserver", "Ad server")
    rate = sight.rates.per_second("impressions")
    box.figures.append(Figure("impressions", rate, "/s"))
    if sight.broker.fault:
        box.judge(Health.UNKNOWN, "seen through Kafka, which does not answer")
    elif not rate:
        box.judge(Health.UNKNOWN, "no impressions arrive")
    return box


def kafka(sight: Sight) -> Box:
    """Whether it answers and has our topics."""
    box = Box("kafka", "Kafka")
    if sight.broker.fault or sight.broker.value is None:
        box.judge(Health.BAD, sight.broker.fault)
        return box
    seen = sight.broker.value
    box.figures.append(Figure("brokers", seen.brokers, "count"))
    if seen.missing:
        box.judge(Health.BAD, f"no topic {', '.join(seen.missing)}")
    return box


def job(sight: Sight, name: str, title: str, reading: Reading[Mapping[str, Any]]) -> Box:
    """A Flink job: its tasks, checkpoints and lag."""
    box = Box(name, title)
    state = reading.value
    if reading.fault or state is None:
        box.judge(Health.BAD, reading.fault)
        return box
    if state["state"] == "ABSENT":
        box.judge(Health.BAD, f"Flink at {state['url']} runs no job of this name")
        return box
    checkpoints = state["checkpoints"]
    age = None
    if checkpoints["newest_ms"] is not None:
        age = max(0.0, sight.now - checkpoints["newest_ms"] / 1000)
    box.figures.append(Figure("checkpoint", age, "s ago"))
    box.figures.append(Figure("failed", checkpoints["failed"], "count"))
    if not (state["state"] == "RUNNING" and set(state["tasks"]) == {"running"}):
        tasks = ", ".join(f"{count} {task}" for task, count in state["tasks"].items())
        why = f"; {state['failure']}" if state["failure"] else ""
        box.judge(Health.BAD, f"{state['state']}: {tasks or 'no tasks'}{why}")
    elif age is None and state["age_seconds"] < CHECKPOINT_SECONDS:
        box.judge(Health.UNKNOWN, "no checkpoint yet: it has just started")
    elif age is None or not state["healthy"]:
        box.judge(Health.WARN, "no fresh checkpoint: after a failure it would read far back")
    lag = None
    if sight.broker.value is not None:
        seen = sight.broker.value
        lag = seen.events_lag if name == "events" else seen.learning_lag
    if lag is not None and lag > LAG_RECORDS:
        box.judge(Health.WARN, f"{lag:,} records behind Kafka")
    return box


def learning(sight: Sight) -> Box:
    """As a job, and how well it predicts."""
    box = job(sight, "learning", "Learning job", sight.learning)
    scraped = sight.learning_metrics.value
    learner = None if sight.redis.value is None else sight.redis.value.learner
    if scraped is not None and not sight.learning_metrics.fault:
        pcoc = scraped.value(names.LEARNER_PCOC)
        loss = scraped.value(names.LEARNER_LOG_LOSS)
        box.figures.append(Figure("log loss", loss, "ratio"))
        box.figures.append(Figure("PCOC", pcoc, "ratio"))
        if pcoc is not None and pcoc == pcoc and not 1 / PCOC_FACTOR <= pcoc <= PCOC_FACTOR:
            box.judge(Health.WARN, f"calibration: PCOC is {pcoc:.3f}")
    if learner is None and box.health is Health.GOOD:
        box.judge(Health.UNKNOWN, "nothing is learnt yet: it waits for a first model and samples")
    return box


def redis(sight: Sight) -> Box:
    """Memory, and whether all rows are there."""
    box = Box("redis", "Redis")
    if sight.redis.fault or sight.redis.value is None:
        box.judge(Health.BAD, sight.redis.fault)
        return box
    seen = sight.redis.value
    box.figures.append(Figure("memory", seen.used_bytes, "bytes"))
    box.figures.append(Figure("commands", seen.commands_per_second, "/s"))
    if seen.limit_bytes and seen.used_bytes > MEMORY_SHARE * seen.limit_bytes:
        share = seen.used_bytes / seen.limit_bytes
        box.judge(Health.BAD, f"memory is {share:.0%} of its limit: writes will be refused")
    if not seen.rows_complete:
        box.judge(Health.WARN, "rows are not marked complete: the events job is writing them again")
    return box


def scorer(sight: Sight) -> Box:
    """All scorers: up, with a model, fast, fresh."""
    box = Box("scorer", "Scorer")
    answers = sight.scorers.value or {}
    up = [answer for answer in answers.values() if isinstance(answer, Scrape)]
    for answer in answers.values():
        if isinstance(answer, str):
            box.judge(Health.BAD if not up else Health.WARN, answer)
    if not answers:
        box.judge(Health.UNKNOWN, sight.scorers.fault or "no scorer is configured")
    box.figures.append(Figure("scorers up", len(up), "count"))
    p99 = sight.rates.quantile("request_seconds", 0.99)
    if up and not any(version for one in up for version in served(one)):
        box.judge(Health.BAD, "no model is loaded: it answers UNAVAILABLE")
    if p99 is not None and p99 > SLOW_SECONDS:
        box.judge(Health.WARN, f"p99 is {1000 * p99:.0f} ms, {1000 * SLOW_SECONDS:.0f} are allowed")
    stale = max((one.value(names.STALE_SECONDS) or 0.0 for one in up), default=0.0)
    if stale > FRESH_SECONDS:
        box.judge(Health.WARN, f"a row change of {stale:.0f} s ago is not in all scores yet")
    low, high = sight.served_quality.get("pcoc_low"), sight.served_quality.get("pcoc_high")
    if low is not None and high is not None and (low > PCOC_FACTOR or high < 1 / PCOC_FACTOR):
        pcoc = sight.served_quality["pcoc"]
        box.judge(Health.WARN, f"calibration of live labels: PCOC is {pcoc:.3f}")
    box.figures.append(Figure("ads", _largest(up, names.ADS), "count"))
    return box


def dead_letters(sight: Sight) -> Box:
    """How much is refused."""
    box = Box("dead-letters", "Dead letters")
    rate = sight.rates.per_second("dead-letters")
    if sight.broker.fault or sight.broker.value is None:
        box.judge(Health.UNKNOWN, "in Kafka, which does not answer")
        return box
    count = sight.broker.value.written.get("dead-letters", 0)
    box.figures.append(Figure("ever", count, "count"))
    arrived = sight.rates.per_second("impressions") or 0.0
    if rate and rate > 0.01 * arrived:
        box.judge(Health.WARN, f"{rate:.1f} records a second are refused: see Dead letters")
    return box


def lake(sight: Sight) -> Box:
    """How old its newest file is."""
    box = Box("lake", "Lake")
    age = sight.lake_age.value
    box.figures.append(Figure("newest file", age, "s ago"))
    if sight.lake_age.fault:
        box.judge(Health.WARN, sight.lake_age.fault)
    elif age is None:
        box.judge(Health.UNKNOWN, "no samples yet, or the folder is on another machine")
    elif age > 300 and (sight.rates.per_second("training-samples") or 0) > 0:
        box.judge(Health.WARN, f"samples arrive, yet the newest file is {age / 60:.0f} min old")
    return box


def bootstrap(sight: Sight) -> Box:
    """By the versions that it published."""
    box = Box("bootstrap", "Bootstrap")
    if sight.redis.fault or sight.redis.value is None:
        box.judge(Health.UNKNOWN, "versions are in Redis, which does not answer")
        return box
    versions = sight.redis.value.versions
    current = next((item for item in versions if item.current), None)
    box.figures.append(Figure("versions", len(versions), "count"))
    if current is None:
        box.judge(Health.BAD, "no model is published: `python -m bootstrap train`")
        return box
    age = sight.now - current.published_ms / 1000
    box.figures.append(Figure("published", age, "s ago"))
    if age > STALE_MODEL_SECONDS:
        box.judge(Health.WARN, f"the current model was published {age / 3600:.0f} h ago")
    return box


def served(scrape: Scrape) -> list[str]:
    """Versions that a scorer serves."""
    found = scrape.samples.get(names.MODEL_INFO.name, [])
    return sorted(labels["version"] for labels, value in found if value == 1)


def _largest(scrapes: Sequence[Scrape], metric: Metric) -> float | None:
    values = [value for one in scrapes if (value := one.value(metric)) is not None]
    return max(values, default=None)
