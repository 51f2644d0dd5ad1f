"""The kernels in numpy: what serves where nothing was compiled, and what the others must equal."""

import hmac
import itertools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.records import Ad
from schemas.redis_values import split_version
from scorer.kernels.interface import (
    AD_ID,
    BLOCK,
    CONSTANT,
    END,
    OUTPUTS,
    SOURCES,
    AdColumns,
    AnsweredAds,
    ExactWeights,
    Floats,
    Lists,
    SideWeights,
    Slots,
    Texts,
    TokenFrame,
    TowerWeights,
)

_MAC_BYTES = 16


class PlainKernels:
    """Ten times slower than the native ones."""

    name = "numpy"

    def scan(
        self,
        lists: Lists,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        query: NDArray[np.int8],
        scale: float,
        price_weight: float,
        wanted: int,
        allowed: NDArray[np.uint16] | None = None,
    ) -> tuple[Slots, Floats]:
        """See Kernels."""
        ranges = [np.arange(start, end) for start, end in zip(starts, ends, strict=True)]
        blocks = np.concatenate((np.empty(0, np.int64), *ranges))
        masks = lists.live[blocks]
        if allowed is not None:
            masks = masks & allowed[blocks]
        blocks, masks = blocks[masks != 0], masks[masks != 0]
        codes = lists.codes[blocks].astype(np.int32) - 128
        groups = query.astype(np.int32).reshape(-1, 4)
        products = np.einsum("bgrd,gd->br", codes, groups)
        positions = (blocks[:, None] * BLOCK + np.arange(BLOCK)).astype(np.int32)
        scores = products * np.float32(scale) + lists.biases[positions]
        if price_weight:
            scores += np.float32(price_weight) * lists.log_prices[positions]
        searched = (masks[:, None] >> np.arange(BLOCK) & 1).astype(np.bool_)
        positions, scores = positions[searched], scores[searched]
        if len(positions) > wanted:
            best = np.argpartition(scores, len(scores) - wanted)[len(scores) - wanted :]
            positions, scores = positions[best], scores[best]
        return positions, scores

    def tower_logits(
        self,
        weights: TowerWeights,
        hidden: NDArray[np.int8],
        steps: Floats,
        slots: Slots,
        request: Floats,
    ) -> Floats:
        """See Kernels."""
        widths, units = weights.widths, weights.units
        sums = (hidden[slots] * steps[slots, None] + request).reshape(
            len(slots), weights.towers, widths[0]
        )
        logits = np.zeros(len(slots), np.float32)
        weight_at = output_at = 0
        for tower in range(weights.towers):
            active = _quantised(sums[:, tower], units[0])
            values = active / units[0]
            for layer, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
                end = weight_at + inputs * outputs
                blocks = weights.weights[weight_at:end].reshape(-1, inputs // 4, OUTPUTS, 4)
                matrix = blocks.transpose(1, 3, 0, 2).reshape(inputs, outputs).astype(np.float32)
                columns = slice(output_at, output_at + outputs)
                values = active @ matrix * weights.scales[columns] + weights.shifts[columns]
                values = np.maximum(values, 0)
                active = _quantised(values, units[layer + 1])
                weight_at, output_at = end, output_at + outputs
            logits += values @ weights.last[tower]
        return logits / np.float32(weights.towers) + np.float32(weights.constant)

    def gathered_products(self, rows: Floats, slots: Slots, query: Floats) -> Floats:
        """See Kernels."""
        products: Floats = rows.take(slots, axis=0) @ query
        return products

    def halves(
        self, side: SideWeights, table: Floats, parts: NDArray[np.void]
    ) -> tuple[Floats, Floats, Floats]:
        """See Kernels."""
        ids, numbers, *sequence = _columns(side, np.ascontiguousarray(parts))
        rows = table.take(ids, axis=0)
        for places in sequence:
            known = (places >= 0)[:, :, None]
            pooled = (table.take(np.maximum(places, 0), axis=0) * known).sum(axis=1)
            pooled /= np.maximum(known.sum(axis=1), 1).astype(np.float32)
            rows = np.concatenate((rows, pooled[:, None]), axis=1)
        embeddings = rows[:, :, 1:]
        sums = embeddings.sum(axis=1)
        standardised = (numbers - side.mean) / side.std
        scalars = rows[:, :, 0].sum(axis=1) + standardised @ side.number_weights
        scalars += 0.5 * ((sums**2).sum(axis=1) - (embeddings**2).sum(axis=(1, 2)))
        count, dim = embeddings.shape[1:]
        inputs = np.concatenate((embeddings.reshape(-1, count * dim), standardised), axis=1)
        return sums, scalars + np.float32(side.bias), inputs @ _unpacked(side.first) + side.start

    def exact_logits(self, weights: ExactWeights, hidden: Floats) -> Floats:
        """See Kernels."""
        sums = hidden.reshape(len(hidden), weights.towers, weights.inputs)
        logits = np.zeros(len(hidden), np.float32)
        weight_at = shift_at = 0
        for tower in range(weights.towers):
            values = np.zeros((len(hidden), weights.widths[0]), np.float32)
            values[:, : weights.inputs] = np.maximum(sums[:, tower], 0)
            for inputs, outputs in itertools.pairwise(weights.widths):
                end = weight_at + inputs * outputs
                matrix = _unpacked(weights.weights[weight_at:end].reshape(-1, inputs, OUTPUTS))
                shifts = weights.shifts[shift_at : shift_at + outputs]
                values = np.maximum(values @ matrix + shifts, 0)
                weight_at, shift_at = end, shift_at + outputs
            logits += values @ weights.last[tower]
        return logits / np.float32(weights.towers) + np.float32(weights.constant)

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


def _unpacked(blocks: Floats) -> Floats:
    """[outputs / 32, inputs, 32] -> [inputs, outputs]."""
    return blocks.transpose(1, 0, 2).reshape(blocks.shape[1], -1)


def _columns(side: SideWeights, parts: NDArray[np.void]) -> list[NDArray[Any]]:
    """Ids [n, fields], numbers [n, numbers], and if there is a sequence, that [n, length]."""
    words = parts.view(np.int32).reshape(-1, parts.itemsize // 4)

    def columns(at: int, count: int) -> NDArray[np.int32]:
        return np.ascontiguousarray(words[:, at // 4 : at // 4 + count])

    found: list[NDArray[Any]] = [
        columns(side.ids_at, side.fields),
        columns(side.numbers_at, side.numbers).view(np.float32),
    ]
    return [*found, columns(side.sequence_at, side.length)] if side.length else found


def _quantised(values: Floats, units: np.float32) -> Floats:
    steps: Floats = np.clip(np.rint(values * units), 0, 255)
    return steps
