"""The gRPC server: the scorer, health and reflection on one port."""

import sys

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from scorer.api import model_admin, reflection
from scorer.api.admission import AdmittedService, CallLimit, RequestPool
from scorer.api.model_admin import ModelAdmin
from scorer.api.servicer import SERVICE, ScorerServicer
from scorer.api.tls import TlsFiles, credentials
from scorer.metrics import ScorerMetrics
from scorer.settings import ScorerSettings

#: A thread that wants to run Python gets its turn after so long, not after the usual 5 ms: others
#: refuse requests meanwhile, or prepare a model.
TURN_SECONDS = 0.001
#: Calls of health, reflection and ModelAdmin that are taken while no request is.
OTHER_CALLS = 16


class PortError(RuntimeError):
    """The server cannot listen where it should."""


class ScorerServer:
    """Not ready (health NOT_SERVING) until told otherwise."""

    def __init__(
        self,
        servicer: ScorerServicer,
        admin: ModelAdmin,
        settings: ScorerSettings,
        metrics: ScorerMetrics,
    ) -> None:
        """Listens, but answers only after start. Raises PortError, TlsError."""
        tls = TlsFiles.of(settings)
        self._health = health.HealthServicer()
        pool = RequestPool(
            settings.threads, settings.max_in_flight, settings.overload_latency_ms / 1000
        )
        limit = CallLimit(settings.max_in_flight + OTHER_CALLS)
        self._server = grpc.server(
            pool,
            maximum_concurrent_rpcs=limit,
            options=[
                # Two scorers on one port by accident would share its requests.
                ("grpc.so_reuseport", int(settings.workers > 0)),
                ("grpc.max_receive_message_length", settings.max_request_bytes),
                ("grpc.max_metadata_size", settings.max_metadata_bytes),
                ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
            ],
        )
        scoring = AdmittedService(servicer.handler(), pool, limit, metrics.requests)
        names = (SERVICE, model_admin.SERVICE, health.SERVICE_NAME, reflection.SERVICE)
        self._server.add_generic_rpc_handlers(
            (scoring, admin.handler(), *reflection.handlers(names))
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self.set_ready(False)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{host}:{settings.port}"
        try:
            if tls is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials(tls))
        except RuntimeError:
            self.port = 0
        if self.port == 0:
            raise PortError(
                f"cannot listen on {address}: is it taken? Set CTR_SCORER_HOST, CTR_SCORER_PORT"
            )

    def start(self) -> None:
        """Begin to answer."""
        sys.setswitchinterval(TURN_SECONDS)
        self._server.start()

    def set_ready(self, ready: bool) -> None:
        """What health says, of the server and of the service."""
        status = health_pb2.HealthCheckResponse
        for name in ("", SERVICE):
            self._health.set(name, status.SERVING if ready else status.NOT_SERVING)

    def drain(self) -> None:
        """Not ready, for good; requests are still answered."""
        self._health.enter_graceful_shutdown()

    def stop(self, grace_seconds: float) -> None:
        """Take no more requests and wait until those under way have ended, or the time is up."""
        self._server.stop(grace_seconds).wait()
