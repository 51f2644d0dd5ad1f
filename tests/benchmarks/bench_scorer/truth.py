"""The exact answer: every ad of the world scored the plain way, in chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder, bucket
from schemas.redis_values import CounterRow, UserRow
from scorer.model.usual_request import usual_first_layer
from tests.benchmarks.bench_scorer.fill import counter_row
from tests.benchmarks.bench_scorer.model import BenchModel, Floats
from tests.benchmarks.bench_scorer.world import (
    ADS_PER_CAMPAIGN,
    COUNTED,
    World,
    advertiser_attributes,
    cluster_attributes,
)

_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Side:
    """Halves of n requests or n ads: FM sums [n, d], scalars [n], first layer [n, 256]."""

    sums: Floats
    scalars: Floats
    hidden: Floats


class Truth:
    """Scores of one world by one model, in float32 without any index or quantisation."""

    def __init__(self, world: World, model: BenchModel) -> None:
        self._world = world
        self._model = model
        self._encoder = Encoder(world.spec)

    def best(
        self, parts: NDArray[np.void], retrieved: int, ranked: int, full: int
    ) -> tuple[list[set[int]], list[set[int]]]:
        """For requests [n], parts as in their tokens: the numbers of the best ads.

        First the ``retrieved`` best by what retrieval searches, for all of them: the inner product,
        and the tower for a request in the middle of all; then the ``ranked`` best by the whole
        model, for the first ``full`` requests.
        """
        requests = self.requests(parts)
        nobody = self._encoder.request(UserRow(""), {})
        usual = usual_first_layer(self._model.layout, self._model.arrays, nobody)
        by_product = _Best(len(parts), retrieved)
        by_model = _Best(full, ranked)
        for start, ads in self._chunks():
            products = requests.sums @ ads.sums.T + ads.scalars
            by_product.add(products + self.tower(ads.hidden + usual), start)
            logits = products[:full].copy()
            for i in range(full):
                logits[i] += self.tower(ads.hidden + requests.hidden[i])
            by_model.add(logits, start)
        return by_product.sets(), by_model.sets()

    def ctrs(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """Calibrated probabilities [n] of whole inputs [n], as the offline model gives them."""
        requests, ads = self.requests(samples), self.ads(samples["ad_ids"], samples["ad_numbers"])
        logits = (requests.sums * ads.sums).sum(axis=1) + requests.scalars + ads.scalars
        logits += self.tower(requests.hidden + ads.hidden)
        return self._model.calibration.probabilities(logits)

    def requests(self, parts: NDArray[np.void]) -> Side:
        """Request parts [n], or whole inputs, with bias and shift."""
        arrays, layout = self._model.arrays, self._model.layout
        rows = arrays.table[parts["request_ids"]]
        sequence = parts["sequence"]
        known = (sequence >= 0)[:, :, np.newaxis]
        pooled = np.where(known, arrays.table[np.maximum(sequence, 0)], 0).sum(axis=1)
        pooled /= np.maximum(known.sum(axis=1), 1)
        rows = np.concatenate((rows, pooled[:, np.newaxis]), axis=1).astype(np.float32)
        numbers = slice(0, layout.request_number_count)
        side = self._side(rows, parts["request_numbers"], 0, numbers)
        return Side(side.sums, side.scalars + np.float32(arrays.bias), side.hidden + arrays.b1)

    def ads(self, ids: NDArray[np.int32], numbers: Floats) -> Side:
        """Ads [n] by their table rows [n, 12] and numbers [n, 12]."""
        layout = self._model.layout
        own = slice(layout.request_number_count, None)
        return self._side(self._model.arrays.table[ids], numbers, layout.request_fields, own)

    def tower(self, hidden: Floats) -> Floats:
        """First layer before its activation [n, 256] -> logits [n]."""
        layer = hidden
        for weight, bias in self._model.dense:
            layer = np.maximum(layer, 0) @ weight + bias
        return layer[:, 0]

    def _side(self, rows: Floats, numbers: Floats, first_field: int, own: slice) -> Side:
        arrays, layout, dim = self._model.arrays, self._model.layout, rows.shape[2] - 1
        embeddings = rows[:, :, 1:]
        scaled = (numbers - arrays.mean[own]) / arrays.std[own]
        sums = embeddings.sum(axis=1)
        scalars = rows[:, :, 0].sum(axis=1) + scaled @ arrays.number_weights[own]
        scalars += 0.5 * ((sums**2).sum(axis=1) - (embeddings**2).sum(axis=(1, 2)))
        fields = slice(first_field * dim, (first_field + rows.shape[1]) * dim)
        hidden = embeddings.reshape(len(rows), -1) @ arrays.w1[fields]
        hidden += scaled @ arrays.w1[layout.fields * dim :][own]
        return Side(sums, scalars, hidden)

    def _chunks(self) -> Iterator[tuple[int, Side]]:
        for start in range(0, self._world.ads, _CHUNK):
            stop = min(start + _CHUNK, self._world.ads)
            yield start, self.ads(self._ids(start, stop), self._numbers(start, stop))

    def _ids(self, start: int, stop: int) -> NDArray[np.int32]:
        """Table rows [n, 12] of ads start..stop."""
        world, layout = self._world, self._model.layout
        clusters = world.clusters[start:stop]
        advertisers = world.advertisers[start:stop]
        numbers = np.arange(start, stop)
        columns = []
        for feature in layout.ad_categoricals:
            name = feature.source
            if name == "ad_id":
                values = [bucket(feature, f"a{number}") for number in range(start, stop)]
                column = np.array(values, np.int32)
            elif name == "campaign":
                campaigns, places = np.unique(numbers // ADS_PER_CAMPAIGN, return_inverse=True)
                column = np.array([bucket(feature, f"k{c}") for c in campaigns], np.int32)[places]
            else:
                of_cluster = name in cluster_attributes(0)
                owners = clusters if of_cluster else advertisers
                attributes = cluster_attributes if of_cluster else advertiser_attributes
                found, places = np.unique(owners, return_inverse=True)
                values = [bucket(feature, attributes(int(owner))[name]) for owner in found]
                column = np.array(values, np.int32)[places]
            columns.append(layout.offsets[feature.name] + column)
        return np.column_stack(columns)

    def _numbers(self, start: int, stop: int) -> Floats:
        encoder = self._encoder

        def encoded(counters: dict[str, CounterRow]) -> Floats:
            numbers: Floats = encoder.ad("", {}, counters)["ad_numbers"][0]
            return numbers

        out = np.tile(encoded({}), (stop - start, 1))
        for number in range(start, min(stop, COUNTED)):
            out[number - start] = encoded({"ad": counter_row(number)})
        return out


class _Best:
    """The best columns of score rows that come in chunks."""

    def __init__(self, rows: int, count: int) -> None:
        self._count = count
        self._scores = np.full((rows, 0), 0, np.float32)
        self._places = np.zeros((rows, 0), np.int64)

    def add(self, scores: Floats, start: int) -> None:
        """Scores [rows, n] of the columns from ``start`` on."""
        places = np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)
        scores = np.concatenate((self._scores, scores), axis=1)
        places = np.concatenate((self._places, places), axis=1)
        worse = max(0, scores.shape[1] - self._count)
        best = np.argpartition(scores, worse - 1 if worse else 0, axis=1)[:, worse:]
        self._scores = np.take_along_axis(scores, best, axis=1)
        self._places = np.take_along_axis(places, best, axis=1)

    def sets(self) -> list[set[int]]:
        """Columns by row."""
        return [set(row.tolist()) for row in self._places]


def recall(found: Sequence[set[int]], wanted: Sequence[set[int]]) -> float:
    """Mean share of the wanted that was found."""
    shares = [len(f & w) / len(w) for f, w in zip(found, wanted, strict=True)]
    return round(float(np.mean(shares)), 4)
