"""A simulated world of users and ads whose true click probabilities are known and drift.

logit P(click) = bias + activity(user) + interest(segment, category, t) + taste(country, category)
+ quality(ad, t) + device + hour + position. Interests and qualities turn slowly: cos θ·a + sin θ·b.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.records import Ad, User
from streaming.adserver.draws import exponential_ms, uniform
from streaming.adserver.settings import AdServerSettings

SEGMENTS, COUNTRIES, CATEGORIES, ADVERTISERS = 8, 6, 10, 40
DEVICES = ("phone", "desktop", "tablet")
BIAS = -2.6
INTEREST_RANK = 2
INTEREST_LOGITS = 1.1
PAUSE_HORIZON_SECONDS = 600.0
#: What is lost in the logit from one slot to the next; all further slots cost nothing more.
POSITION_LOGITS = (0.0, -0.35, -0.6, -0.8, -0.95, -1.05, -1.1)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LoggedImpression:
    """One shown ad with all that was known when it was shown, and what came of it.

    ``ts`` and ``click_ts`` are event time in ms, ``price`` is in micros, ``true_ctr`` is the
    probability of a click at ``position``.
    """

    request_id: str
    ts: int
    user_id: str
    user_attributes: Mapping[str, str]
    context: Mapping[str, str]
    ad_id: str
    ad_attributes: Mapping[str, str]
    position: int
    price: int
    propensity: float
    true_ctr: float
    label: int
    click_ts: int | None


@dataclass(frozen=True, slots=True)
class Visit:
    """A user asks for ads; ``elapsed_seconds`` is world time, negative before the stream."""

    number: int
    user: int
    device: int
    hour: int
    elapsed_seconds: float

    @property
    def context(self) -> dict[str, str]:
        """The context of a request, as the feature set names it."""
        return {"hour": str(self.hour), "device": DEVICES[self.device]}


class World:
    """All of it follows from ``seed``; two worlds of one seed are the same world."""

    def __init__(self, seed: int, settings: AdServerSettings) -> None:
        self.seed = seed
        self.settings = settings
        rng = np.random.default_rng([seed, 0])
        self._draw_users(rng)
        self._draw_ads(rng)
        shape = (SEGMENTS, INTEREST_RANK)
        self._interests = [
            INTEREST_LOGITS
            * _low_rank(rng.normal(size=shape), rng.normal(size=(CATEGORIES, INTEREST_RANK)))
            for _ in range(2)
        ]
        self._taste = 0.2 * rng.normal(size=(COUNTRIES, CATEGORIES))
        self._device = np.array([0.25, -0.25, 0.0])
        self._hour = 0.2 * np.sin(2 * np.pi * (np.arange(24) - 14) / 24)

    def _draw_users(self, rng: np.random.Generator) -> None:
        count = self.settings.world_users
        self._segment = rng.integers(SEGMENTS, size=count)
        self._country = rng.integers(COUNTRIES, size=count)
        by_segment = 0.4 * rng.normal(size=SEGMENTS)[self._segment]
        self._activity = by_segment + 0.25 * rng.normal(size=count)

    def _draw_ads(self, rng: np.random.Generator) -> None:
        settings = self.settings
        first, count = settings.world_ads, settings.world_ads + settings.world_new_ads
        self._category = rng.integers(CATEGORIES, size=count)
        self._advertiser = rng.integers(ADVERTISERS, size=count)
        by_advertiser = 0.2 * rng.normal(size=ADVERTISERS)[self._advertiser]
        self._quality = [by_advertiser + 0.3 * rng.normal(size=count) for _ in range(2)]
        self._price = np.exp(rng.normal(12.2, 0.4, size=count)).astype(np.int64)
        self._appears = np.full(count, -np.inf)
        self._appears[first:] = settings.world_new_ad_seconds * np.arange(1, count - first + 1)
        paused = rng.random(count) < settings.world_paused_share
        pause = np.maximum(self._appears, 0.0) + PAUSE_HORIZON_SECONDS * rng.random(count)
        self._pauses = np.where(paused, pause, np.inf)

    @property
    def ad_count(self) -> int:
        """Ads of all times, those that have not yet appeared included."""
        return len(self._category)

    def user_id(self, user: int) -> str:
        """Name of a user."""
        return f"u{user}"

    def ad_id(self, ad: int) -> str:
        """Name of an ad."""
        return f"a{ad}"

    def ad_number(self, ad_id: str) -> int:
        """The reverse of :meth:`ad_id`. Raises ValueError on an ad of another world."""
        number = int(ad_id[1:]) if ad_id[:1] == "a" and ad_id[1:].isdigit() else -1
        if not 0 <= number < self.ad_count:
            raise ValueError(f"{ad_id!r} is no ad of this world")
        return number

    def user_attributes(self, user: int) -> dict[str, str]:
        """Profile of a user."""
        return {"segment": f"s{self._segment[user]}", "country": f"c{self._country[user]}"}

    def ad_attributes(self, ad: int) -> dict[str, str]:
        """Attributes of an ad."""
        return {"category": f"k{self._category[ad]}", "advertiser": f"v{self._advertiser[ad]}"}

    def price(self, ad: int) -> int:
        """Cost per click, micros."""
        return int(self._price[ad])

    def active(self, elapsed_seconds: float) -> NDArray[np.bool_]:
        """Which ads [ad_count] may be shown."""
        active: NDArray[np.bool_] = (self._appears <= elapsed_seconds) & (
            elapsed_seconds < self._pauses
        )
        return active

    def users(self, ts: int) -> Iterator[User]:
        """Profiles of all users."""
        for user in range(self.settings.world_users):
            yield User(self.user_id(user), ts, self.user_attributes(user))

    def ad(self, ad: int, ts: int, elapsed_seconds: float) -> Ad:
        """Catalogue entry of an ad as it is at a time."""
        status = "ACTIVE" if self.active(elapsed_seconds)[ad] else "PAUSED"
        return Ad(self.ad_id(ad), ts, status, self.price(ad), self.ad_attributes(ad))

    def ads(self, ts: int) -> Iterator[Ad]:
        """The catalogue when the stream begins."""
        for ad in np.flatnonzero(self.active(0.0)):
            yield self.ad(int(ad), ts, 0.0)

    def changed_ads(self, after_seconds: float, until_seconds: float) -> list[int]:
        """Ads that appeared or were paused in (after, until]."""
        changed = ((after_seconds < self._appears) & (self._appears <= until_seconds)) | (
            (after_seconds < self._pauses) & (self._pauses <= until_seconds)
        )
        return [int(ad) for ad in np.flatnonzero(changed)]

    def visit(self, number: int, ts: int, elapsed_seconds: float) -> Visit:
        """The ``number``-th request of the stream; negative numbers are history."""
        rng = np.random.default_rng([self.seed, 1, int(number < 0), abs(number)])
        return Visit(
            number=number,
            user=int(rng.integers(self.settings.world_users)),
            device=int(rng.choice(len(DEVICES), p=(0.6, 0.3, 0.1))),
            hour=ts // 3_600_000 % 24,
            elapsed_seconds=elapsed_seconds,
        )

    def probabilities(self, visit: Visit) -> Floats:
        """True click probability of every ad [ad_count] at position 1."""
        angle = self._angle(visit.elapsed_seconds)
        segment, country = self._segment[visit.user], self._country[visit.user]
        by_category = _turned(self._interests, angle)[segment] + self._taste[country]
        quality = self.qualities(visit.elapsed_seconds)
        shared = BIAS + self._activity[visit.user] + self._device[visit.device]
        logits: Floats = shared + self._hour[visit.hour] + by_category[self._category] + quality
        return 1.0 / (1.0 + np.exp(-logits))

    def qualities(self, elapsed_seconds: float = 0.0) -> Floats:
        """What each ad [ad_count] adds to the logit by itself, at a time."""
        # Qualities turn three times slower than interests.
        return _turned(self._quality, self._angle(elapsed_seconds) / 3)

    def _angle(self, elapsed_seconds: float) -> float:
        return 2 * np.pi * elapsed_seconds / self.settings.world_drift_period_seconds

    def at_position(self, probability: float, position: int) -> float:
        """A probability at position 1, seen at another position."""
        lost = POSITION_LOGITS[min(position, len(POSITION_LOGITS)) - 1]
        return float(1.0 / (1.0 + (1.0 - probability) / probability * np.exp(-lost)))

    def random_ads(self, visit: Visit, count: int) -> tuple[list[int], float]:
        """Active ads drawn uniformly, and the propensity of each at its position."""
        candidates = np.flatnonzero(self.active(visit.elapsed_seconds))
        rng = np.random.default_rng([self.seed, 2, int(visit.number < 0), abs(visit.number)])
        chosen = rng.choice(candidates, size=min(count, len(candidates)), replace=False)
        return [int(ad) for ad in chosen], 1.0 / len(candidates)

    def click_delay_ms(self, request_id: str, ad_id: str, probability: float) -> int | None:
        """Draws a click: the time from impression to click, or None. The same at each call."""
        if uniform(self.seed, "click", request_id, ad_id) >= probability:
            return None
        mean_seconds = self.settings.world_click_delay_seconds
        return exponential_ms(mean_seconds, self.seed, "delay", request_id, ad_id)

    def history(self, impressions: int, end_ms: int) -> Iterator[LoggedImpression]:
        """Impressions of random ads up to ``end_ms``, at the pace of the stream, in time order."""
        limit = self.settings.world_limit
        pace = self.settings.requests_per_second or 75.0
        visits = -(-impressions // limit)
        left = impressions
        for number in range(-visits, 0):
            elapsed = number / pace
            ts = end_ms + int(1000 * elapsed)
            visit = self.visit(number, ts, elapsed)
            ads, propensity = self.random_ads(visit, min(limit, left))
            at_top = self.probabilities(visit)
            request_id = f"h{-number}"
            for position, ad in enumerate(ads, 1):
                probability = self.at_position(at_top[ad], position)
                delay_ms = self.click_delay_ms(request_id, self.ad_id(ad), probability)
                left -= 1
                yield LoggedImpression(
                    request_id=request_id,
                    ts=ts,
                    user_id=self.user_id(visit.user),
                    user_attributes=self.user_attributes(visit.user),
                    context=visit.context,
                    ad_id=self.ad_id(ad),
                    ad_attributes=self.ad_attributes(ad),
                    position=position,
                    price=self.price(ad),
                    propensity=propensity,
                    true_ctr=probability,
                    label=int(delay_ms is not None),
                    click_ts=None if delay_ms is None else ts + delay_ms,
                )


def _turned(pair: list[Floats], angle: float) -> Floats:
    turned: Floats = np.cos(angle) * pair[0] + np.sin(angle) * pair[1]
    return turned


def _low_rank(left: NDArray[Any], right: NDArray[Any]) -> Floats:
    product: Floats = left @ right.T
    product /= product.std()
    return product
