"""The gRPC service ModelAdmin: versions of the served models, for operators only."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import redis
from google.protobuf.message import Message
from pydantic import SecretStr

from schemas.proto.ctr.v1 import scorer_pb2
from scorer.api import rpc
from scorer.metrics import ScorerMetrics
from stores.model_versions import ModelVersions, PublishedVersion, VersionError

SERVICE = scorer_pb2.DESCRIPTOR.services_by_name["ModelAdmin"].full_name
LONGEST_REASON = 1_000
_SCHEME = "Bearer "


class ModelAdmin:
    """``models`` by name; the first is the one that is meant where no name is given.

    ``fingerprint`` is that of the features that models must be made for here; ``serving`` tells the
    version of a model that this process serves, ``now_ms`` the time.
    """

    def __init__(
        self,
        models: Mapping[str, ModelVersions],
        operator_token: SecretStr,
        fingerprint: str,
        serving: Callable[[str], str | None],
        now_ms: Callable[[], int],
        metrics: ScorerMetrics,
    ) -> None:
        self._models = models
        self._credential = operator_token.get_secret_value().encode()
        self._fingerprint = fingerprint
        self._serving = serving
        self._now_ms = now_ms
        self._metrics = metrics

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """The service, to be added to a server."""
        methods: dict[str, tuple[type[Message], Callable[[Any], Message]]] = {
            "ListModels": (scorer_pb2.ListModelsRequest, self._list),
            "GetModel": (scorer_pb2.GetModelRequest, self._get),
            "RollBack": (scorer_pb2.RollBackRequest, self._roll_back),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: rpc.method(name, message, self._guarded(call), self._metrics)
                for name, (message, call) in methods.items()
            },
        )

    def _guarded(self, call: Callable[[Any], Message]) -> rpc.Call:
        def answered(request: Any, context: grpc.ServicerContext) -> rpc.Reply:
            self._require_operator(context)
            try:
                return rpc.Reply.of(call(request))
            except redis.RedisError as error:
                raise rpc.RefusedError(grpc.StatusCode.UNAVAILABLE, f"Redis: {error}") from None

        return answered

    def _require_operator(self, context: grpc.ServicerContext) -> None:
        if not self._credential:
            raise rpc.RefusedError(
                grpc.StatusCode.PERMISSION_DENIED,
                "this scorer lets nobody administer models: CTR_SCORER_OPERATOR_TOKEN is not set",
            )
        metadata = dict(context.invocation_metadata())
        given = str(metadata.get("authorization", ""))
        # Bytes: a text with other characters than ASCII is compared, too.
        expected = _SCHEME.encode() + self._credential
        if not hmac.compare_digest(given.encode(), expected):
            raise rpc.RefusedError(
                grpc.StatusCode.UNAUTHENTICATED,
                "the metadata authorization must be: Bearer, a space, the operator's token",
            )

    def _list(self, request: scorer_pb2.ListModelsRequest) -> scorer_pb2.ListModelsResponse:
        models = [self._model(request.model)] if request.model else self._models.values()
        return scorer_pb2.ListModelsResponse(
            versions=[self._version(m, item) for m in models for item in m.versions()]
        )

    def _get(self, request: scorer_pb2.GetModelRequest) -> scorer_pb2.ModelVersion:
        model = self._model(request.model)
        for item in model.versions():
            if item.version == request.version or (item.current and not request.version):
                return self._version(model, item)
        wanted = request.version[:40] or "current one"
        raise rpc.RefusedError(grpc.StatusCode.NOT_FOUND, f"version: {model.model} has no {wanted}")

    def _roll_back(self, request: scorer_pb2.RollBackRequest) -> scorer_pb2.RollBackResponse:
        if not 1 <= len(request.reason.strip()) <= LONGEST_REASON:
            raise rpc.RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"reason: expected 1 to {LONGEST_REASON} characters, got {len(request.reason)}",
            )
        model = self._model(request.model)
        withdrawn = model.current()
        try:
            served = model.roll_back(
                request.reason.strip(),
                self._now_ms(),
                to=request.version or None,
                expected=request.expected or None,
                fingerprint=self._fingerprint,
            )
        except VersionError as error:
            raise rpc.RefusedError(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from None
        return scorer_pb2.RollBackResponse(
            model=model.model, version=served, withdrawn=withdrawn or ""
        )

    def _model(self, name: str) -> ModelVersions:
        found = self._models.get(name or next(iter(self._models)))
        if found is None:
            raise rpc.RefusedError(
                grpc.StatusCode.NOT_FOUND,
                f"model: expected one of {', '.join(self._models)}, got {name[:40]!r}",
            )
        return found

    def _version(self, model: ModelVersions, item: PublishedVersion) -> scorer_pb2.ModelVersion:
        shown = scorer_pb2.ModelVersion(
            model=model.model,
            version=item.version,
            published_ms=item.published_ms,
            current=item.current,
            serving=item.version == self._serving(model.model),
            withdrawn=item.withdrawn or "",
        )
        if item.manifest is not None:
            shown.parent = item.manifest.parent or ""
            shown.architecture = item.manifest.architecture
            shown.created_ms = item.manifest.created_ms
            shown.metrics.update(item.manifest.metrics)
            shown.feature_fingerprint = item.manifest.feature_fingerprint
            shown.watermark_ms = item.manifest.watermark_ms
            shown.size_bytes = sum(file.size_bytes for file in item.manifest.files.values())
        return shown
