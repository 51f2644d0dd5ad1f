"""Recall of retrieval while it runs: now and then a request's best ads are computed exactly."""

import threading
from queue import Empty, Full, Queue
from time import monotonic

import numpy as np
import structlog
from numpy.typing import NDArray

from scorer.ads.eligibility import Eligible
from scorer.kernels import best_kernels
from scorer.metrics import ScorerMetrics
from scorer.model.deepfm import Floats
from scorer.model.model_holder import ServedModel

_log = structlog.get_logger(__name__)
_ADS_AT_A_TIME = 1 << 14
_PAUSE_SECONDS = 0.002


class RecallMonitor(threading.Thread):
    """One request each ``seconds`` is checked; in between, ``offer`` costs a look at the clock."""

    def __init__(self, seconds: float, metrics: ScorerMetrics) -> None:
        super().__init__(name="recall-monitor", daemon=True)
        self._seconds = seconds
        self._metrics = metrics
        self._next = 0.0
        self._stopping = threading.Event()
        self._offered: Queue[tuple[ServedModel, Eligible, Floats, NDArray[np.int32]]] = Queue(1)

    def stop(self) -> None:
        """End soon; join the thread afterwards."""
        self._stopping.set()

    def offer(
        self, served: ServedModel, eligible: Eligible, query: Floats, found: NDArray[np.int32]
    ) -> None:
        """A request's query [dim + 2], and the slots [n] that retrieval found for it."""
        if monotonic() < self._next or not len(found):
            return
        self._next = monotonic() + self._seconds
        try:
            self._offered.put_nowait((served, eligible, query, found))
        except Full:
            return

    def run(self) -> None:
        """Work until stopped; a fault is logged."""
        while not self._stopping.is_set():
            try:
                self._metrics.recall.observe(self._recall(*self._offered.get(timeout=0.2)))
            except Empty:
                continue
            except Exception:
                _log.exception("recall could not be computed")

    def _recall(
        self, served: ServedModel, eligible: Eligible, query: Floats, found: NDArray[np.int32]
    ) -> float:
        """Share of the exact best as many ads that were found."""
        candidates = eligible.listed
        best, scores = np.empty(0, np.int32), np.empty(0, np.float32)
        for begin in range(0, len(candidates), _ADS_AT_A_TIME):
            slots = candidates[begin : begin + _ADS_AT_A_TIME]
            products = best_kernels().gathered_products(served.store.vectors, slots, query)
            best, scores = np.append(best, slots), np.append(scores, products)
            if len(best) > len(found):
                kept = np.argpartition(-scores, len(found) - 1)[: len(found)]
                best, scores = best[kept], scores[kept]
            # Requests go first: this thread shares their core.
            if self._stopping.wait(_PAUSE_SECONDS):
                break
        return float(np.isin(best, found).mean())
