"""The simulated world as traffic: it ranks, shows the top slots and draws clicks by the truth.

A share of the requests shows random ads instead, scored by ``Score``: without them the engine
would see only what it already believes to be good.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.proto.ctr.v1.scorer_pb2 import Candidate, RankRequest, RankResponse, ScoreRequest
from schemas.records import Ad, Impression, User
from schemas.served_token import TokenKeys
from streaming.adserver.draws import uniform
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.source import Ask, Shown, SourceError, with_propensity
from streaming.adserver.world import Floats, Visit, World

RATE_SAMPLE = 2_000
EVENT_RATE_WITHOUT_PACE = 75.0


@dataclass(slots=True)
class PolicyTotals:
    """Expected clicks of what was shown in ranked requests, of the best, and of random ads."""

    requests: int = 0
    shown: float = 0.0
    best: float = 0.0
    random: float = 0.0


class WorldSource:
    """Plays ``world_seconds`` of a world; event time is the wall clock if ``world_real_time``."""

    def __init__(self, settings: AdServerSettings, keys: TokenKeys) -> None:
        self._settings = settings
        self._keys = keys
        self.world = World(settings.seed, settings)
        self._pace = settings.requests_per_second or EVENT_RATE_WITHOUT_PACE
        if settings.world_real_time and settings.requests_per_second == 0:
            raise SourceError(
                "CTR_ADSERVER_REQUESTS_PER_SECOND: 0 (no limit) needs "
                "CTR_ADSERVER_WORLD_REAL_TIME=false: the wall clock cannot run faster"
            )
        labels = [row.label for row in self.world.history(RATE_SAMPLE, 0)]
        self.history_rate = (sum(labels) + 1.0) / (len(labels) + 10.0)
        self._start_ms = 0
        self._number = 0
        self._changed_until = 0.0
        self._visits: dict[int, Visit] = {}
        self._random: dict[int, float] = {}
        self._policy = PolicyTotals()

    def catalogue(self, now_ms: int) -> Iterator[Ad | User]:
        """All users, and the ads that are there when the stream begins."""
        self._start_ms = now_ms
        yield from self.world.users(now_ms)
        yield from self.world.ads(now_ms)

    def next_ask(self, now_ms: int) -> Ask | None:
        """The next user's visit. The first call starts the clock of the world."""
        if self._number == 0:
            self._start_ms = now_ms
        number = self._number
        ts = (
            now_ms
            if self._settings.world_real_time
            else self._start_ms + int(1000 * number / self._pace)
        )
        elapsed = (ts - self._start_ms) / 1000.0
        if elapsed >= self._settings.world_seconds:
            return None
        self._number += 1
        visit = self.world.visit(number, ts, elapsed)
        self._visits[number] = visit
        request_id = f"w{self._settings.seed}-{self._start_ms}-{number}"
        user_id = self.world.user_id(visit.user)
        request: RankRequest | ScoreRequest
        if uniform(self._settings.seed, "random", number) < self._settings.world_random_share:
            ads, propensity = self.world.random_ads(visit, self._settings.world_limit)
            self._random[number] = propensity
            candidates = [
                Candidate(ad_id=self.world.ad_id(ad), attributes=self.world.ad_attributes(ad))
                for ad in ads
            ]
            request = ScoreRequest(
                request_id=request_id,
                user_id=user_id,
                context=visit.context,
                candidates=candidates,
            )
        else:
            request = RankRequest(
                request_id=request_id,
                user_id=user_id,
                context=visit.context,
                limit=self._settings.world_limit,
            )
        return Ask(number, ts, request)

    def changes(self, ask: Ask) -> Sequence[Ad]:
        """Ads that appeared or were paused since the last ask."""
        after, until = self._changed_until, self._visits[ask.number].elapsed_seconds
        self._changed_until = until
        return [self.world.ad(ad, ask.ts, until) for ad in self.world.changed_ads(after, until)]

    def shown(self, ask: Ask, answer: RankResponse) -> Sequence[Shown]:
        """All ads of the answer, in its order; clicks are drawn by the true probabilities."""
        visit = self._visits.pop(ask.number)
        propensity = self._random.pop(ask.number, None)
        at_top = self.world.probabilities(visit)
        shown = []
        expected = []
        for position, ad in enumerate(answer.ads[: self._settings.world_limit], 1):
            number = self._number_of(ad.ad_id)
            probability = self.world.at_position(at_top[number], position)
            expected.append(probability)
            delay_ms = self.world.click_delay_ms(ask.request.request_id, ad.ad_id, probability)
            impression = Impression(
                request_id=ask.request.request_id,
                ad_id=ad.ad_id,
                user_id=ask.request.user_id,
                ts=ask.ts,
                position=position,
                price=self.world.price(number),
                token=(
                    ad.token if propensity is None else with_propensity(self._keys, ad, propensity)
                ),
            )
            click_ts = None if delay_ms is None else ask.ts + delay_ms
            shown.append(Shown(impression, click_ts, ad.ctr, float(at_top[number])))
        if propensity is None:
            self._judge(visit, at_top, expected)
        return shown

    def _number_of(self, ad_id: str) -> int:
        try:
            return self.world.ad_number(ad_id)
        except ValueError as error:
            raise SourceError(f"the scorer ranks ads of another catalogue: {error}") from None

    def _judge(self, visit: Visit, at_top: Floats, expected: list[float]) -> None:
        active = at_top[self.world.active(visit.elapsed_seconds)]
        best = np.sort(active)[::-1][: len(expected)]
        total = self._policy
        total.requests += 1
        total.shown += sum(expected)
        for position in range(1, len(expected) + 1):
            total.best += self.world.at_position(float(best[position - 1]), position)
            total.random += self.world.at_position(float(active.mean()), position)

    def due_at_ms(self, ts: int) -> int | None:
        """Event time is the wall clock, or goes on by itself."""
        return ts if self._settings.world_real_time else None

    def report(self) -> dict[str, float]:
        """Expected clicks a request of the policy, the best and the random one; the regret."""
        total = self._policy
        requests = max(total.requests, 1)
        return {
            "ranked_requests": float(total.requests),
            "expected_clicks": total.shown / requests,
            "best_expected_clicks": total.best / requests,
            "random_expected_clicks": total.random / requests,
            "regret": (total.best - total.shown) / requests,
        }
