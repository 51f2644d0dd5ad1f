"""How every process writes its log: structured lines on standard error."""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Time (UTC), level and event come first, then what the event says as key=value."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        # Not print: Flink's Python workers have one of their own, which cannot flush.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )
