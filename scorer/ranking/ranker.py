"""The path of a request: user, retrieval, halves, tower, calibration, tokens, and its lower rungs.

FULL, then NO_USER (Redis late), RETRIEVAL_ONLY (no time for the tower), POPULAR (no time for the
model). Whatever rung it is, the token has the inputs and the probability that was answered.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import structlog
from numpy.typing import NDArray

from schemas.redis_values import UserRow
from scorer.ads.catalogue import Catalogue
from scorer.ads.eligibility import Eligible, eligible_ads
from scorer.ads.popularity import PopularAds
from scorer.experiments import exploration
from scorer.experiments.arms import POPULARITY
from scorer.experiments.exploration_pools import ExplorationPools
from scorer.kernels import RequestHalf
from scorer.metrics import ScorerMetrics
from scorer.model.deepfm import Floats
from scorer.model.finalists import finalists
from scorer.model.half_store import query
from scorer.model.model_holder import ModelHolder, ServedModel
from scorer.model.recent_requests import RecentRequests
from scorer.questions import Answer, Asker, RankQuestion, Rung, ScoreQuestion
from scorer.ranking.answering import catalogue_ads, given_ads
from scorer.ranking.assignment import Assigned, Assignment
from scorer.ranking.budget import Budget
from scorer.ranking.candidate_sources import EXPLORATION, RETRIEVAL, CandidateSources
from scorer.ranking.candidate_sources import POPULARITY as POPULARITY_SOURCE
from scorer.ranking.candidates import Candidates
from scorer.ranking.recall_monitor import RecallMonitor
from scorer.ranking.retrieval import retrieve
from scorer.ranking.tokens import RequestMint, TokenMint
from scorer.ranking.user_reader import UserQuestion, UserReader
from scorer.settings import ScorerSettings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    """One request under way; ``rung`` is the best one that is still open to it, ``version`` what
    ranks it."""

    asker: Asker
    assigned: Assigned
    served: ServedModel
    part: NDArray[np.void]
    mint: RequestMint
    version: str
    rung: Rung
    popular: PopularAds
    budget: Budget

    def without_model(self) -> "_Request":
        """What is left of it: a model must not be judged by what popularity answered for it."""
        mint = self.mint.ranked_by(POPULARITY)
        return replace(self, mint=mint, version=POPULARITY, rung=Rung.POPULAR)


class Ranker:
    """Answers questions with the model that is served. Thread-safe; changes nothing."""

    def __init__(
        self,
        holder: ModelHolder,
        catalogue: Catalogue,
        users: UserReader,
        mint: TokenMint,
        assignment: Assignment,
        pools: ExplorationPools,
        recall: RecallMonitor,
        recent: RecentRequests,
        settings: ScorerSettings,
        metrics: ScorerMetrics,
    ) -> None:
        self._holder = holder
        self._catalogue = catalogue
        self._users = users
        self._mint = mint
        self._assignment = assignment
        self._pools = pools
        self._recall = recall
        self._recent = recent
        self._sources = CandidateSources(settings.popular_candidates, settings.recent_candidates)
        self._settings = settings
        self._metrics = metrics
        self._user_timeout = settings.user_timeout_ms / 1000
        self._retrieval_reserve = settings.retrieval_reserve_ms / 1000
        self._tower_reserve = settings.tower_reserve_ms / 1000

    def rank(self, question: RankQuestion, budget: Budget) -> Answer:
        """The best ads of the catalogue. Raises NoModelError before a first model."""
        served, user = self._holder.require(), self._users.ask(question.asker.user_id)
        eligible = eligible_ads(self._catalogue, question.blocked, question.required)
        request = self._request(question, served, user, budget)
        if eligible.count == 0:
            return _answer(request, request.rung, b"")
        if request.assigned.is_popularity:
            return self._popular(request, question, eligible)
        if budget.remaining() < self._retrieval_reserve:
            return self._popular(request.without_model(), question, eligible)
        try:
            return self._ranked(request, question, eligible)
        except Exception:  # a fault of one model must not silence the ad server
            _log.exception("ranking failed", request_id=question.asker.request_id)
            return self._popular(request.without_model(), question, eligible)

    def score(self, question: ScoreQuestion, budget: Budget) -> Answer:
        """Candidates in the order given. Raises NoModelError before a first model."""
        served, user = self._holder.require(), self._users.ask(question.asker.user_id)
        catalogue = self._catalogue
        with self._metrics.stage("gather"):
            candidates = Candidates.of(question.candidates, catalogue)
        request = self._request(question, served, user, budget)
        if budget.remaining() < self._retrieval_reserve:
            request = request.without_model()
        if request.version != POPULARITY:
            try:
                half = served.model.request_half(request.part)
                parts, prices = candidates.parts_and_prices(catalogue)
                rung, ctrs = self._ctrs(
                    request, half, parts, lambda: candidates.usual_tower(served)
                )
            except Exception:  # as in rank
                _log.exception("scoring failed", request_id=question.asker.request_id)
                request = request.without_model()
        if request.version == POPULARITY:
            rung = request.rung
            parts, prices = candidates.parts_and_prices(catalogue)
            ctrs = candidates.popularity(served.popular, catalogue)
        with self._metrics.stage("answer"):
            ads = given_ads(request.mint, candidates, parts, ctrs, prices)
        return _answer(request, rung, ads)

    def _request(
        self,
        question: RankQuestion | ScoreQuestion,
        served: ServedModel,
        asked: UserQuestion,
        budget: Budget,
    ) -> _Request:
        asker = question.asker
        assigned = self._assignment.of(asker.user_id, question.variant)
        with self._metrics.stage("user"):
            seconds = budget.for_reading(self._user_timeout, self._tower_reserve)
            known = self._users.answer(asked, seconds)
        user = UserRow(asker.user_id) if known is None else known
        with self._metrics.stage("encode"):
            part = self._catalogue.encoder.request(user, asker.context)
            self._recent.offer(part)
        version = _version(served, assigned)
        mint = self._mint.request(asker, user, part.tobytes(), assigned.arm.name, version)
        rung = Rung.NO_USER if known is None else Rung.FULL
        near = self._catalogue.popularity.near
        popular = near(served.popular, user.attributes, asker.context)
        return _Request(asker, assigned, served, part, mint, version, rung, popular, budget)

    def _ranked(self, request: _Request, question: RankQuestion, eligible: Eligible) -> Answer:
        served, catalogue = request.served, self._catalogue
        explored = request.assigned.arm.exploration
        half = served.model.request_half(request.part)
        with self._metrics.stage("retrieval"):
            wanted = max(self._settings.candidates, question.limit)
            vector = query(half, question.by_value)
            retrieved = retrieve(vector, wanted, eligible, served.index, served.store)
            self._recall.offer(served, eligible, vector, retrieved)
            merged, others = self._sources.merged(retrieved, request.popular, eligible)
            distribution = self._pools.distribution(explored, eligible)
            drawn = None
            if exploration.explores(request.asker.request_id, explored.probability):
                drawn = distribution.draw(request.asker.request_id)
        with self._metrics.stage("choice"):
            chosen = merged
            if request.assigned.challenger is None:
                with_tower = request.budget.remaining() >= self._tower_reserve
                chosen = finalists(
                    served, self._catalogue.arrays, half, merged, question, with_tower
                )
        # A drawn ad that retrieval missed is scored, but competes for no slot but the last.
        slots = chosen if drawn is None else np.append(chosen, np.int32(drawn))
        with self._metrics.stage("gather"):
            rows = catalogue.arrays.read(slots)
        allowed = eligible.still(slots, rows)
        if drawn is not None and not allowed[-1]:
            drawn = None
        rung, ctrs = self._ctrs(request, half, rows.parts, lambda: served.store.usual[slots])
        with self._metrics.stage("answer"):
            values = ctrs * rows.prices if question.by_value else ctrs
            (ranked,) = allowed[: len(chosen)].nonzero()
            order = ranked[(-values[ranked]).argsort(kind="stable")]
            slate = exploration.slate(
                order, slots, question.limit, drawn, distribution, explored.probability
            )
            ranked_slots = slots[slate.places].tolist()
            sources = [others.get(slot, RETRIEVAL) for slot in ranked_slots]
            if slate.explored:
                sources[-1] = EXPLORATION
            ads = catalogue_ads(
                catalogue.arrays,
                request.mint,
                slots[slate.places],
                rows.take(slate.places),
                ctrs[slate.places],
                slate.propensities,
                sources,
            )
        return _answer(request, rung, ads)

    def _ctrs(
        self,
        request: _Request,
        half: RequestHalf,
        parts: NDArray[np.void],
        guess: Callable[[], Floats],
    ) -> tuple[Rung, NDArray[np.float64]]:
        """Calibrated probabilities [n] of exactly these parts, with the tower if there is time;
        ``guess`` [n] stands for it if there is none."""
        served, challenger = request.served, request.assigned.challenger
        if challenger is not None:
            with self._metrics.stage("tower"):
                samples = self._catalogue.encoder.layout.joined(request.part, parts)
                return request.rung, challenger.ctrs(samples)
        model = served.model
        if request.budget.remaining() < self._tower_reserve:
            ads = model.ad_halves(parts)
            logits = ads.fm_sums @ half.sums + ads.scalars + half.scalar + guess()
            return Rung.RETRIEVAL_ONLY, model.probabilities(logits)
        with self._metrics.stage("tower"):
            return request.rung, model.ctrs(half, parts)

    def _popular(self, request: _Request, question: RankQuestion, eligible: Eligible) -> Answer:
        catalogue = self._catalogue
        slots, ctrs = request.popular.best(eligible, question.limit)
        rows = catalogue.arrays.read(slots)
        order = np.flatnonzero(eligible.still(slots, rows))
        if question.by_value:
            order = order[np.argsort(-(ctrs * rows.prices)[order], kind="stable")]
        ads = catalogue_ads(
            catalogue.arrays,
            request.mint,
            slots[order],
            rows.take(order),
            ctrs[order],
            np.ones(len(order)),
            [POPULARITY_SOURCE] * len(order),
        )
        return _answer(request, request.rung, ads)


def _answer(request: _Request, rung: Rung, ads: bytes) -> Answer:
    variant = request.assigned.arm.name
    return Answer(request.asker.request_id, variant, request.version, rung, ads)


def _version(served: ServedModel, assigned: Assigned) -> str:
    """What ranked; popularity is a version of itself."""
    if assigned.is_popularity:
        return POPULARITY
    of = served if assigned.challenger is None else assigned.challenger
    return of.manifest.version
