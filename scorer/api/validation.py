"""Requests of the API -> questions, or an error that names the field and what is allowed."""

from collections.abc import Collection, Mapping, Sequence

from schemas.features import FeatureSpec
from schemas.proto.ctr.v1 import scorer_pb2
from scorer.questions import Asker, InvalidRequestError, RankQuestion, ScoreQuestion
from scorer.settings import ScorerSettings

DEFAULT_LIMIT = 10
_ORDERS = frozenset(scorer_pb2.OrderBy.values())


class Validator:
    """Checks requests against the limits of the settings and the keys of the features."""

    def __init__(
        self, spec: FeatureSpec, variants: Collection[str], settings: ScorerSettings
    ) -> None:
        self._context_keys = spec.context_keys
        self._variants = variants
        self._settings = settings

    def rank(self, request: scorer_pb2.RankRequest) -> RankQuestion:
        """Raises InvalidRequestError."""
        settings = self._settings
        limit = request.limit or DEFAULT_LIMIT
        if not 1 <= limit <= settings.max_limit:
            raise InvalidRequestError(
                f"limit: expected 1 to {settings.max_limit}, or 0 for {DEFAULT_LIMIT}, got {limit}"
            )
        if request.order_by not in _ORDERS:
            raise InvalidRequestError(
                f"order_by: expected one of {', '.join(scorer_pb2.OrderBy.keys())}, "
                f"got {request.order_by}"
            )
        self._known_variant(request.variant)
        _at_most(request.blocked_ad_ids, settings.max_blocked, "blocked_ad_ids")
        for i, ad_id in enumerate(request.blocked_ad_ids):
            self._id(ad_id, f"blocked_ad_ids[{i}]")
        self._attributes(request.required_attributes, "required_attributes")
        return RankQuestion(
            asker=self._asker(request),
            limit=limit,
            by_value=request.order_by == scorer_pb2.EXPECTED_VALUE,
            blocked=tuple(request.blocked_ad_ids),
            required=dict(request.required_attributes),
            variant=request.variant,
        )

    def score(self, request: scorer_pb2.ScoreRequest) -> ScoreQuestion:
        """Raises InvalidRequestError."""
        self._known_variant(request.variant)
        _at_most(request.candidates, self._settings.max_candidates, "candidates")
        seen: set[str] = set()
        candidates: list[tuple[str, Mapping[str, str]]] = []
        for i, candidate in enumerate(request.candidates):
            name = f"candidates[{i}]"
            self._id(candidate.ad_id, f"{name}.ad_id")
            if candidate.ad_id in seen:
                raise InvalidRequestError(
                    f"{name}.ad_id: {_shown(candidate.ad_id)} is there twice, expected once"
                )
            seen.add(candidate.ad_id)
            self._attributes(candidate.attributes, f"{name}.attributes")
            candidates.append((candidate.ad_id, dict(candidate.attributes)))
        return ScoreQuestion(self._asker(request), candidates, request.variant)

    def _known_variant(self, variant: str) -> None:
        if variant and variant not in self._variants:
            raise InvalidRequestError(
                f"variant: expected {', '.join(self._variants)} or none, got {_shown(variant)}"
            )

    def _asker(self, request: scorer_pb2.RankRequest | scorer_pb2.ScoreRequest) -> Asker:
        self._id(request.request_id, "request_id")
        self._id(request.user_id, "user_id")
        _at_most(request.context, self._settings.max_context, "context")
        for key, value in request.context.items():
            if key not in self._context_keys:
                known = ", ".join(sorted(self._context_keys)) or "none"
                raise InvalidRequestError(f"context: unknown key {_shown(key)}, known are {known}")
            self._value(value, f"context[{key}]")
        return Asker(request.request_id, request.user_id, dict(request.context))

    def _attributes(self, attributes: Mapping[str, str], name: str) -> None:
        _at_most(attributes, self._settings.max_attributes, name)
        for key, value in attributes.items():
            if not key:
                raise InvalidRequestError(f"{name}: a key is empty")
            self._value(key, name)
            self._value(value, f"{name}[{_shown(key)}]")

    def _id(self, text: str, name: str) -> None:
        if not text:
            raise InvalidRequestError(f"{name}: missing")
        largest = self._settings.max_id_bytes
        if _is_longer(text, largest):
            raise InvalidRequestError(f"{name}: expected at most {largest} bytes")

    def _value(self, text: str, name: str) -> None:
        largest = self._settings.max_value_bytes
        if _is_longer(text, largest):
            raise InvalidRequestError(f"{name}: expected at most {largest} bytes")


def _at_most(values: Sequence[object] | Mapping[str, str], largest: int, name: str) -> None:
    if len(values) > largest:
        raise InvalidRequestError(f"{name}: expected at most {largest}, got {len(values)}")


def _is_longer(text: str, largest: int) -> bool:
    """Whether a text has more bytes; most are so short that nobody need encode them."""
    return 4 * len(text) > largest and len(text.encode()) > largest


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
