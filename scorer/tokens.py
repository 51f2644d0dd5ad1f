"""Mints the token of each ad that is served: its inputs, probability and propensity, signed."""

from collections.abc import Mapping

from schemas.features import FeatureSpec
from schemas.records import Served
from schemas.redis_values import UserRow
from schemas.served_token import TokenKeys
from scorer.questions import Asker


class TokenMint:
    """Tokens of one feature declaration, signed with one set of keys."""

    def __init__(self, spec: FeatureSpec, keys: TokenKeys) -> None:
        self._spec = spec
        self._keys = keys

    def request(
        self,
        asker: Asker,
        user: UserRow,
        request_part: bytes,
        variant: str,
        model_version: str,
    ) -> "RequestMint":
        """A mint for one answer."""
        values = {
            "user": {**user.attributes, "user_id": asker.user_id},
            "context": dict(asker.context),
        }
        return RequestMint(
            self._spec, self._keys, variant, asker.request_id, values, request_part,
            model_version,
        )  # fmt: skip


class RequestMint:
    """What the tokens of one answer have in common."""

    def __init__(
        self,
        spec: FeatureSpec,
        keys: TokenKeys,
        variant: str,
        request_id: str,
        values: Mapping[str, dict[str, str]],
        request_part: bytes,
        model_version: str,
    ) -> None:
        self._spec = spec
        self._keys = keys
        self._variant = variant
        self._request_id = request_id
        self._values = values
        self._request_part = request_part
        self._model_version = model_version

    def token(
        self,
        ad_id: str,
        attributes: Mapping[str, str],
        ad_part: bytes,
        ctr: float,
        propensity: float,
    ) -> bytes:
        """The signed token of one ad."""
        values = {**self._values, "ad": {**attributes, "ad_id": ad_id}}
        served = Served(
            request_id=self._request_id,
            ad_id=ad_id,
            variant=self._variant,
            model_version=self._model_version,
            predicted_ctr=ctr,
            propensity=propensity,
            feature_fingerprint=self._spec.fingerprint,
            counter_keys=[self._spec.counter_key(name, values) for name in self._spec.counters],
            inputs=self._request_part + ad_part,
        )
        return self._keys.sign(served)
