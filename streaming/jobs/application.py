"""``-pym streaming.jobs.application JOB``: a job in application mode, as under the Kubernetes
operator. The cluster is there for this job alone; its resource says how it runs and is saved."""

import sys

from streaming.jobs.definitions import define
from streaming.jobs.job_environment import build_environment, java_errors
from streaming.settings import JobName
from streaming.start_up import JobInputs


def main(job: JobName) -> None:
    """Submit the job to the cluster around this process. Raises NotReady or JobFailed."""
    inputs = JobInputs.load()
    inputs.require(job)
    environment = build_environment(define(job, inputs), inputs.streaming, {})
    with java_errors(job):
        environment.execute(job)


if __name__ == "__main__":
    main(JobName(sys.argv[1]))
