"""What the ad server needs besides a broker with our topics: a scorer that serves."""

import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from schemas import topics
from streaming.readiness import NotReady

NEEDED = (topics.IMPRESSIONS, topics.CLICKS, topics.ADS, topics.USERS)
RETRY_SECONDS = 0.25


def require_scorer(channel: grpc.Channel, target: str, timeout_seconds: float) -> None:
    """Raises NotReady if the scorer does not say SERVING in time."""
    health = health_pb2_grpc.HealthStub(channel)
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=RETRY_SECONDS * 4)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            seen = "it is up but has no model: `python -m bootstrap train` publishes one"
        except grpc.RpcError as error:
            seen = f"{error.code().name}: start one with `make up`, or set CTR_ADSERVER_SCORER"
        if time.monotonic() > deadline:
            raise NotReady(f"the scorer at {target} is not ready: {seen}")
        time.sleep(RETRY_SECONDS)
