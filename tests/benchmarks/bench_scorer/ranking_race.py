"""Ranking by the scorer's own code and by the plain ways: the same work in one process.

From an encoded request and the slots of its candidates among all ads in memory, to the calibrated
probabilities of the ten best. On the clock, one thread each, one contestant at a time: ``hot`` is
one request again and again, ``cold`` another one each time, ``served`` another one each time with
its retrieval before it, which is not counted but takes the caches. Of these two also the median:
what a tenth of the runs keep to has little of a busy machine in it, but is of the easier requests.
Ours is without the look whether an ad changed meanwhile, and without the merge of other sources.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scorer.ads.ad_arrays import AdArrays
from scorer.kernels import RequestHalf
from scorer.model.finalists import SERVED_ADS, finalists
from scorer.model.half_store import query
from scorer.model.model_holder import ServedModel
from scorer.questions import Asker, RankQuestion
from tests.benchmarks.bench_scorer.model import BenchModel, Floats
from tests.benchmarks.bench_scorer.onnx_alone import OnnxAlone
from tests.benchmarks.bench_scorer.plain_path import PlainPath

CANDIDATES = 500
_RUNS = 200
T = TypeVar("T")
_QUESTION = RankQuestion(Asker("", "", {}), SERVED_ADS)


@dataclass(frozen=True, slots=True)
class Case:
    """An encoded request (1,) and the slots of its candidates [n]."""

    part: NDArray[np.void]
    slots: NDArray[np.int32]


#: The best slots [10], the best first, and their probabilities [10].
Ranked = tuple[NDArray[np.int32], NDArray[np.float64]]
Contestant = Callable[[Case], Ranked]


class RankingRace:
    """The contestants, over the ads in ``arrays``."""

    def __init__(
        self,
        served: ServedModel,
        arrays: AdArrays,
        model: BenchModel,
        requests: Sequence[NDArray[np.void]],
    ) -> None:
        """``requests`` are encoded parts (1,)."""
        self._served = served
        self._arrays = arrays
        self._model = model
        self._plain_path = PlainPath(model)
        self._cases = [Case(part, self._retrieved(part)) for part in requests]

    def _retrieved(self, part: NDArray[np.void]) -> NDArray[np.int32]:
        return retrieved(self._served, self._served.model.request_half(part))

    def ours(self, case: Case, served: ServedModel | None = None) -> Ranked:
        """As the scorer does it."""
        served = served or self._served
        half = served.model.request_half(case.part)
        return _best(*likely_best(served, self._arrays, half, case.slots))

    def _plain(self, network: Callable[[NDArray[np.void]], Floats], case: Case) -> Ranked:
        samples = self._model.layout.joined(case.part, self._arrays.parts.take(case.slots))
        return _best(case.slots, self._model.calibration.probabilities(network(samples)))

    def run(self) -> dict[str, object]:
        """Microseconds of each contestant, ratios to ours, and whether the answers are the same."""
        plain, alone = self._plain_path, OnnxAlone(self._model)
        whole = replace(self._served, shortlist=CANDIDATES)
        contestants: dict[str, Contestant] = {
            "ours": self.ours,
            "ours_all_in_8_bits": lambda case: self.ours(case, whole),
            "numpy_onnx": lambda case: self._plain(plain.numpy_onnx, case),
            "onnx_alone": lambda case: self._plain(alone.logits, case),
            "torch_eager": lambda case: self._plain(plain.torch_eager, case),
        }
        # First: then all that is read was mapped before it is on the clock.
        agreement = self.agreement()
        times = {name: self._times(contestant) for name, contestant in contestants.items()}
        ours = times["ours"]
        return {
            "candidates": CANDIDATES,
            "shortlist": self._served.shortlist,
            "finalists": SERVED_ADS + self._served.spare,
            "us": times,
            **agreement,
            **{
                f"{name}_ratio": {kind: round(us / ours[kind], 1) for kind, us in found.items()}
                for name, found in times.items()
                if not name.startswith("ours")
            },
        }

    def _times(self, contestant: Contestant) -> dict[str, float]:
        first = self._cases[0]
        turns = itertools.cycle(self._cases)

        def another() -> Case:
            return next(turns)

        def after_retrieval() -> Case:
            case = next(turns)
            self._retrieved(case.part)
            return case

        cold, served = (
            seconds_of(contestant, next_case) for next_case in (another, after_retrieval)
        )
        return {
            "hot": microseconds(contestant, lambda: first),
            "cold": _at(cold, 10),
            "cold_median": _at(cold, 50),
            "served": _at(served, 10),
            "served_median": _at(served, 50),
        }

    def agreement(self) -> dict[str, float]:
        """Of the plain way's ten best, the share that ours has; how far their probabilities are
        apart at most, relatively."""
        shares, apart = [], [0.0]
        for case in self._cases:
            slots, ctrs = self.ours(case)
            wanted, expected = self._plain(self._plain_path.numpy_onnx, case)
            shares.append(np.isin(wanted, slots).mean())
            _, places, others = np.intersect1d(slots, wanted, return_indices=True)
            apart.append(float(np.abs(ctrs[places] / expected[others] - 1).max(initial=0)))
        return {"same_top_10": round(float(np.mean(shares)), 4), "apart": round(max(apart), 6)}


def retrieved(served: ServedModel, half: RequestHalf) -> NDArray[np.int32]:
    """About the best candidates of a request, ascending."""
    return np.sort(served.index.search(query(half, False), CANDIDATES)[0])


def likely_best(
    served: ServedModel, arrays: AdArrays, half: RequestHalf, slots: NDArray[np.int32]
) -> Ranked:
    """Those of the slots that may be among the best [n], and their probabilities as served."""
    chosen = finalists(served, arrays, half, slots, _QUESTION, True)
    return chosen, served.model.ctrs(half, arrays.parts.take(chosen))


def _best(slots: NDArray[np.int32], ctrs: NDArray[np.float64]) -> Ranked:
    order = np.argsort(-ctrs)[:SERVED_ADS]
    return slots[order], ctrs[order]


def microseconds(work: Callable[[T], object], prepared: Callable[[], T]) -> float:
    """Of one run, that a tenth of many keeps to: another process may take the core for the others,
    and sooner for a long run."""
    return _at(seconds_of(work, prepared), 10)


def seconds_of(work: Callable[[T], object], prepared: Callable[[], T]) -> list[float]:
    """Of each of many runs."""
    seconds = []
    for _ in range(_RUNS):
        given = prepared()
        start = perf_counter()
        work(given)
        seconds.append(perf_counter() - start)
    return seconds


def _at(seconds: Sequence[float], percent: int) -> float:
    return round(float(np.percentile(seconds, percent)) * 1e6, 1)
