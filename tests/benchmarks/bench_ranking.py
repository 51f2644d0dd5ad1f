"""Retrieval and ranking alone, on one core: ``python -m tests.benchmarks.bench_ranking --help``.

Synthetic ads in clusters, a DeepFM 320-256-128-64-1; beside it, on the same candidates, numpy with
ONNX Runtime over the whole concatenated batch, and torch eager: see bench_scorer/ranking_race.py.
"""

import itertools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
import typer
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.model_package import TOWER_FILE
from schemas.redis_values import UserRow
from scorer.ads.ad_arrays import AdArrays
from scorer.ads.popularity import PopularAds
from scorer.kernels import RequestHalf, best_kernels
from scorer.memory import shared_arrays
from scorer.memory.page_mapping import use_huge_pages
from scorer.model.deepfm import DeepFm
from scorer.model.finalists import LARGEST_SPARE, SERVED_ADS, shortlist_and_spare
from scorer.model.half_store import HalfStore, query
from scorer.model.model_holder import DeltaPosition, ServedModel
from scorer.model.quantised_tower import QuantisedTower, units_of
from scorer.model.retrieval_index import RetrievalIndex
from scorer.model.tower import Tower
from scorer.model.tower_layers import layers_of
from tests.benchmarks.bench_scorer.model import BenchModel
from tests.benchmarks.bench_scorer.ranking_race import (
    CANDIDATES,
    RankingRace,
    likely_best,
    microseconds,
    retrieved,
)
from tests.benchmarks.bench_scorer.world import declaration

CLUSTERS = 2_000
#: Fields that tell ads of a cluster apart.
OWN = ("ad", "campaign", "landing")
_AT_A_TIME = 1 << 10
_REQUESTS = 1_000


def ad_parts(model: BenchModel, ads: int, random: np.random.Generator) -> NDArray[np.void]:
    """Parts [ads]: those of a cluster share all fields but their own."""
    layout = model.layout
    parts = np.zeros(ads, layout.ad_dtype)
    clusters = random.integers(0, CLUSTERS, ads)
    for column, feature in enumerate(layout.ad_categoricals):
        own = feature.name in OWN
        rows = random.integers(0, feature.buckets, ads if own else CLUSTERS, np.int32)
        parts["ad_ids"][:, column] = rows if own else rows[clusters]
        parts["ad_ids"][:, column] += layout.offsets[feature.name]
    parts["ad_numbers"] = random.random((ads, parts["ad_numbers"].shape[1]), np.float32)
    return parts


def requests(model: BenchModel, count: int, random: np.random.Generator) -> NDArray[np.void]:
    """Request parts [count] of different users."""
    layout = model.layout
    parts = np.zeros(count, layout.request_dtype)
    for column, feature in enumerate(layout.request_categoricals):
        rows = random.integers(0, feature.buckets, count, np.int32)
        parts["request_ids"][:, column] = layout.offsets[feature.name] + rows
    ad = layout.ad_categoricals[0]
    clicked = random.integers(0, ad.buckets, parts["sequence"].shape, np.int32)
    parts["sequence"] = layout.offsets[ad.name] + clicked
    return parts


class Bench:
    """Ads, their halves and the index, as the feeder builds them."""

    def __init__(self, ads: int, seed: int, probes: int, folder: Path) -> None:
        random = np.random.default_rng(seed)
        declared = folder / "features.yaml"
        declared.write_text(declaration(ads))
        spec = FeatureSpec.load(str(declared))
        self.plain = BenchModel.of(spec, seed)
        package = self.plain.package("v1", spec.fingerprint)
        model = DeepFm(
            self.plain.layout,
            self.plain.arrays,
            Tower(package.files[TOWER_FILE], 256),
            self.plain.calibration,
            Encoder(spec).request(UserRow(""), {}),
        )
        self.arrays = AdArrays.create(folder / "ads", self.plain.layout, ads)
        self.arrays.parts[:] = ad_parts(self.plain, ads, random)
        self.requests = requests(self.plain, 2_000, random)
        layout = HalfStore.layout(ads, model.dim, 1, model.hidden)
        arrays = shared_arrays.create(folder / "store", layout)
        for array in arrays.values():
            use_huge_pages(array)
        store = HalfStore(arrays, 1)
        start = time.process_time()
        for begin in range(0, ads, _AT_A_TIME):
            slots = np.arange(begin, min(begin + _AT_A_TIME, ads), dtype=np.int32)
            halves = model.ad_halves(self.arrays.parts.take(slots))
            store.write(slots, halves, model.usual_tower(halves), np.ones(len(slots), np.int64))
        self.halves_seconds = time.process_time() - start
        start = time.process_time()
        index = RetrievalIndex.build(
            folder / "index", store.vectors, np.arange(ads, dtype=np.int32), ads, 50_000,
            probes, best_kernels(), True,
        )  # fmt: skip
        self.index_seconds = time.process_time() - start
        layers = layers_of(package.files[TOWER_FILE])
        assert layers is not None
        seen = model.ad_halves(self.arrays.parts[:512]).hidden
        seen = seen + model.request_half(self.requests[:1]).hidden
        self.served = ServedModel(
            manifest=package.manifest,
            model=model,
            store=store,
            index=index,
            quantised=QuantisedTower.of(layers, units_of(layers, seen), best_kernels()),
            popular=PopularAds(np.empty(0, np.int32), np.empty(0), 0.0),
            mean_tower=0.0,
            shortlist=CANDIDATES,
            spare=LARGEST_SPARE,
            built_revision=0,
            position=DeltaPosition("", "", -1),
        )
        assert self.served.quantised is not None
        warm = [self.requests[i : i + 1] for i in range(20)]
        self.served.shortlist, self.served.spare = shortlist_and_spare(
            self.served, self.arrays, warm, CANDIDATES
        )
        self.at = 0
        files = (folder / "store", folder / "index")
        size = sum(file.stat().st_size for file in files)
        self.bytes = self.arrays.parts.nbytes + size

    def next_request(self) -> NDArray[np.void]:
        """Another user each time."""
        self.at += 1
        at = self.at % len(self.requests)
        return self.requests[at : at + 1]

    def next_half(self) -> RequestHalf:
        """The half of the next request."""
        return self.served.model.request_half(self.next_request())

    def retrieve(self, half: RequestHalf) -> NDArray[np.int32]:
        """About the best candidates, ascending."""
        return retrieved(self.served, half)

    def exact(self, half: RequestHalf, slots: NDArray[np.int32]) -> NDArray[np.floating[Any]]:
        """Logits as they are served."""
        return self.served.model.logits(half, self.arrays.parts.take(slots))

    def ranked(self, half: RequestHalf, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        """The best of the slots, the best first, as they are served."""
        chosen, ctrs = likely_best(self.served, self.arrays, half, slots)
        return chosen.take(np.argsort(-ctrs)[:SERVED_ADS])

    def recalls(self, count: int) -> tuple[float, float]:
        """Of the true best 500 by inner product; of the ten best of them by the whole model."""
        recalled, served = [], []
        for _ in range(count):
            half = self.next_half()
            scores = self.served.store.vectors @ query(half, False)
            true = np.argpartition(-scores, CANDIDATES)[:CANDIDATES].astype(np.int32)
            found = self.retrieve(half)
            recalled.append(np.isin(true, found).mean())
            best_true = true[np.argsort(-self.exact(half, true))[:SERVED_ADS]]
            served.append(np.isin(best_true, self.ranked(half, found)).mean())
        return float(np.mean(recalled)), float(np.mean(served))

    def recall_of_all(self, count: int) -> float:
        """Of the ten best by the whole model among all ads."""
        model = self.served.model
        halves = [self.next_half() for _ in range(count)]
        bests = [(np.empty(0, np.int32), np.empty(0, np.float32)) for _ in halves]
        for begin in range(0, self.arrays.capacity, _AT_A_TIME):
            slots = np.arange(begin, min(begin + _AT_A_TIME, self.arrays.capacity), dtype=np.int32)
            ads = model.ad_halves(self.arrays.parts.take(slots))
            for i, half in enumerate(halves):
                logits = ads.fm_sums @ half.sums + ads.scalars + half.scalar
                logits += model.tower.logits(ads.hidden + half.hidden)
                all_slots = np.concatenate((bests[i][0], slots))
                all_logits = np.concatenate((bests[i][1], logits))
                kept = np.argpartition(-all_logits, SERVED_ADS)[:SERVED_ADS]
                bests[i] = (all_slots[kept], all_logits[kept])
        found = [
            np.isin(true, self.ranked(half, self.retrieve(half))).mean()
            for (true, _), half in zip(bests, halves, strict=True)
        ]
        return float(np.mean(found))


def main(
    ads: int = typer.Option(10_000_000, min=100_000, help="how many"),
    probes: int = typer.Option(128, min=1, help="inverted lists searched"),
    seed: int = typer.Option(1, help="of ads, users and weights"),
    recall_requests: int = typer.Option(40, min=1, help="requests whose best ads are computed"),
    whole_requests: int = typer.Option(4, min=1, help="requests for which all ads are ranked"),
) -> None:
    """Print one JSON object; times are microseconds."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(ads, seed, probes, Path(folder))
        recall, served_recall = bench.recalls(recall_requests)
        whole_recall = bench.recall_of_all(whole_requests)
        cases = [bench.next_request() for _ in range(_REQUESTS)]
        race = RankingRace(bench.served, bench.arrays, bench.plain, cases)
        halves = itertools.cycle([bench.next_half() for _ in range(_REQUESTS)])
        result: dict[str, object] = {
            "ads": ads,
            "kernels": best_kernels().name,
            "recall_500": round(recall, 4),
            "recall_top_10": round(served_recall, 4),
            "recall_top_10_of_all_ads": round(whole_recall, 4),
            "bytes_per_ad": round(bench.bytes / ads),
            "halves_seconds": round(bench.halves_seconds, 1),
            "index_seconds": round(bench.index_seconds, 1),
            "halves_of_ad": round(bench.halves_seconds / ads * 1e6, 2),
            "retrieval": microseconds(bench.retrieve, lambda: next(halves)),
            "ranking": race.run(),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    typer.run(main)
