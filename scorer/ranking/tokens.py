"""Mints the token of each ad that is served: its inputs, probability and propensity, signed."""

import hashlib
import struct
from collections.abc import Mapping
from copy import copy
from functools import lru_cache

from schemas import avro_codec
from schemas.features import FeatureSpec
from schemas.records import Served
from schemas.redis_values import UserRow
from schemas.served_token import TokenKeys
from scorer.ads.string_table import StringTable
from scorer.kernels import TokenFrame
from scorer.kernels.arguments import AD_ID, CONSTANT, END
from scorer.questions import Asker

#: What HMAC-SHA256 takes as it is; a longer key is hashed first (RFC 2104).
_KEY_BYTES = 64


class TokenMint:
    """Tokens of one feature declaration, signed with one set of keys."""

    def __init__(self, spec: FeatureSpec, keys: TokenKeys, names: StringTable) -> None:
        """``names`` are those of attributes, numbered by their column."""
        self.spec = spec
        self.keys = keys
        self._names = names
        self._columns: dict[str, int] = {}
        self.key_id, key = keys.signing
        key = hashlib.sha256(key).digest() if len(key) > _KEY_BYTES else key
        self.key = key.ljust(_KEY_BYTES, b"\0")
        count = len(spec.counters)
        self.after = avro_codec.text(spec.fingerprint) + (avro_codec.long(count) if count else b"")
        self.counters = [
            (f"{name}:".encode(), [tuple(part.split(".", 1)) for part in parts])
            for name, parts in spec.counters.items()
        ]

    def column(self, name: str) -> int | None:
        """The column of an attribute's name; None while no ad has it."""
        column = self._columns.get(name)
        if column is None:
            column = self._names.number(name)
            if column is not None:
                self._columns[name] = column
        return column

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
            "context": asker.context,
        }
        return RequestMint(self, variant, asker.request_id, values, request_part, model_version)


class RequestMint:
    """What the tokens of one answer have in common."""

    def __init__(
        self,
        mint: TokenMint,
        variant: str,
        request_id: str,
        values: Mapping[str, Mapping[str, str]],
        request_part: bytes,
        model_version: str,
    ) -> None:
        self._mint = mint
        self._variant = variant
        self._request_id = request_id
        self._values = values
        self._request_part = request_part
        self._model_version = model_version

    def ranked_by(self, model_version: str) -> "RequestMint":
        """The same mint for an answer of another version."""
        mint = copy(self)
        mint._model_version = model_version
        return mint

    def token(
        self,
        ad_id: str,
        attributes: Mapping[str, str],
        ad_part: bytes,
        ctr: float,
        propensity: float,
    ) -> bytes:
        """The signed token of an ad that need not be in the catalogue."""
        spec = self._mint.spec
        values = {**self._values, "ad": {**attributes, "ad_id": ad_id}}
        served = Served(
            request_id=self._request_id,
            ad_id=ad_id,
            variant=self._variant,
            model_version=self._model_version,
            predicted_ctr=ctr,
            propensity=propensity,
            feature_fingerprint=spec.fingerprint,
            counter_keys=[spec.counter_key(name, values) for name in spec.counters],
            inputs=self._request_part + ad_part,
        )
        return self._mint.keys.sign(served)

    def frame(self) -> TokenFrame:
        """For the tokens of many ads of the catalogue at once: the same bytes as of ``token``."""
        mint = self._mint
        pieces: list[int] = []
        constants = []
        for start, parts in mint.counters:
            constant = start
            for place, (side, attribute) in enumerate(parts):
                constant += b"|" if place else b""
                if side != "ad":
                    constant += self._values[side].get(attribute, "").encode()
                    continue
                source = AD_ID if attribute == "ad_id" else mint.column(attribute)
                if source is not None:
                    pieces += (CONSTANT, len(constant), source, 0)
                    constants.append(constant)
                    constant = b""
            pieces += (CONSTANT, len(constant), END, 0)
            constants.append(constant)
        return TokenFrame(
            head=avro_codec.header("Served") + avro_codec.text(self._request_id),
            middle=_middle(self._variant, self._model_version),
            after=mint.after,
            pieces=struct.pack(f"<{len(pieces)}i", *pieces),
            constants=b"".join(constants),
            request_part=self._request_part,
            key_id=mint.key_id,
            key=mint.key,
        )


@lru_cache(64)
def _middle(variant: str, model_version: str) -> bytes:
    return avro_codec.text(variant) + avro_codec.text(model_version)
