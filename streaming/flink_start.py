"""Whether a job that a cluster accepted really runs: all of its tasks, not only the job."""

import time
from collections.abc import Callable

from streaming.flink_rest import FlinkRest, Job

POLL_SECONDS = 0.2


class JobFailed(RuntimeError):
    """A job does not run; the message is what Flink says about it, its innermost cause."""


def wait_until_running(
    rest: FlinkRest, job_id: str, timeout_seconds: float, watch: Callable[[Job], None]
) -> Job:
    """The job as soon as all of its tasks run; ``watch`` is told on the way.

    A state that does not fit is accepted first and fails while tasks are initialising, again and
    again. So the first failure is the answer: the job is cancelled and JobFailed raised, as it is
    when the time is over. Its checkpoints stay.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        job = rest.job(job_id)
        watch(job)
        if job.is_running:
            return job
        failure = rest.failure(job_id)
        if failure is None and time.monotonic() > deadline:
            failure = f"not all tasks run after {timeout_seconds:g} s: {dict(job.tasks)}"
        if failure is not None:
            if not job.has_ended:
                rest.cancel(job_id)
            raise JobFailed(f"{job.name} did not start and is cancelled: {failure}")
        time.sleep(POLL_SECONDS)
