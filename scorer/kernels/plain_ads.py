"""The kernels for what is said of ads, in Python: read from Redis, written into answers."""

import hmac
import struct
from collections.abc import Sequence

import numpy as np

from schemas.records import Ad
from schemas.redis_values import split_version
from scorer.kernels.arguments import (
    AD_ID,
    CONSTANT,
    END,
    SOURCES,
    AdColumns,
    AnsweredAds,
    Texts,
    TokenFrame,
)

_MAC_BYTES = 16


class PlainAds:
    """See Kernels."""

    def parse_ads(self, keys: Sequence[bytes], values: Sequence[bytes], header: bytes) -> AdColumns:
        """See Kernels."""
        count = len(values)
        read, active = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        versions, prices = np.zeros(count, np.int64), np.zeros(count, np.int64)
        texts: dict[str, int] = {}
        items: list[tuple[int, ...]] = []
        for i, (key, value) in enumerate(zip(keys, values, strict=True)):
            try:
                version, body = split_version(value)
                ad = Ad.decode(body) if body.startswith(header) else None
            except ValueError:
                continue
            if ad is None or ad.ad_id.encode() != key:
                continue
            read[i], active[i] = True, ad.status == "ACTIVE"
            versions[i], prices[i] = version, ad.price
            items += [
                (i, *(texts.setdefault(text, len(texts)) for text in item))
                for item in ad.attributes.items()
            ]
        found = np.array(items, np.int32).reshape(-1, 3)
        return AdColumns(read, active, versions, prices, found, [text.encode() for text in texts])

    def ranked_ads(self, ids: Texts, values: Texts, frame: TokenFrame, ads: AnsweredAds) -> bytes:
        """See Kernels."""
        out = []
        for i, slot in enumerate(ads.slots.tolist()):
            ad_id = ids.of(slot)
            inputs = frame.request_part + ads.parts[i].tobytes()
            keys = _keys(frame, ad_id, [int(code) for code in ads.attributes[i]], values)
            body = b"".join(
                (
                    frame.head, _sized(ad_id, signed=True), frame.middle,
                    struct.pack("<2f", ads.ctrs[i], ads.propensities[i]), frame.after,
                    *(_sized(key, signed=True) for key in keys), b"\0",
                    _sized(inputs, signed=True), bytes([frame.key_id]),
                )
            )  # fmt: skip
            token = body + hmac.digest(frame.key, body, "sha256")[:_MAC_BYTES]
            fields = b"".join(
                (
                    b"\x0a", _sized(ad_id), _double(b"\x11", ads.ctrs[i]),
                    _double(b"\x19", ads.propensities[i]),
                    b"\x22", _sized(SOURCES[ads.sources[i]].encode()),
                    _double(b"\x29", ads.expected_values[i]), b"\x32", _sized(token),
                )
            )  # fmt: skip
            out.append(b"\x2a" + _sized(fields))
        return b"".join(out)


def _keys(frame: TokenFrame, ad_id: bytes, codes: list[int], values: Texts) -> list[bytes]:
    keys, key, at = [], b"", 0
    for source, size in struct.iter_unpack("<2i", frame.pieces):
        if source == END:
            keys.append(key)
            key = b""
        elif source == CONSTANT:
            key += frame.constants[at : at + size]
            at += size
        elif source == AD_ID:
            key += ad_id
        elif codes[source]:
            key += values.of(codes[source] - 1)
    return keys


def _sized(data: bytes, signed: bool = False) -> bytes:
    """Data behind its size in seven bits a byte; Avro's sizes are signed, in zigzag."""
    left, out = len(data) << signed, bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out) + data


def _double(tag: bytes, value: float) -> bytes:
    """A zero is not written, as proto3 says."""
    return tag + struct.pack("<d", value) if value else b""
