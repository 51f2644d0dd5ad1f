"""What a source of ad traffic is: it asks, is answered, and says what was shown and clicked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.proto.ctr.v1.scorer_pb2 import RankedAd, RankRequest, RankResponse, ScoreRequest
from schemas.records import Ad, Impression, Served, User
from schemas.served_token import TRAILER_BYTES, TokenKeys


@dataclass(frozen=True, slots=True)
class Ask:
    """One call to the scorer at event time ``ts`` (ms); ``number`` counts from 0."""

    number: int
    ts: int
    request: RankRequest | ScoreRequest


@dataclass(frozen=True, slots=True)
class Shown:
    """An impression and what comes of it.

    ``ctr`` is the served probability and ``truth`` the true one, both at position 1; ``truth`` is
    None where nobody knows it. ``label`` tells whether it is ever clicked.
    """

    impression: Impression
    click_ts: int | None
    ctr: float
    truth: float | None

    @property
    def label(self) -> int:
        """1 if it is clicked, however late."""
        return int(self.click_ts is not None)


class SourceError(RuntimeError):
    """A source that cannot play; the message says what it needs."""


class Source(Protocol):
    """Traffic in event-time order. ``catalogue`` comes first, ``changes`` before each ask."""

    #: Clicks per impression before the stream, what the constant predictor says.
    history_rate: float

    def catalogue(self, now_ms: int) -> Iterator[Ad | User]:
        """Ads and users that the engine must know beforehand; the stream begins at ``now_ms``."""
        ...

    def next_ask(self, now_ms: int) -> Ask | None:
        """The next request, or None at the end; ``now_ms`` is the wall clock."""
        ...

    def changes(self, ask: Ask) -> Sequence[Ad]:
        """Ads that changed until the time of ``ask``."""
        ...

    def shown(self, ask: Ask, answer: RankResponse) -> Sequence[Shown]:
        """What the ad server shows of an answer, top slot first."""
        ...

    def due_at_ms(self, ts: int) -> int | None:
        """Wall clock at which event time reaches ``ts``; None if it need not be waited for."""
        ...

    def report(self) -> dict[str, float]:
        """What only this source knows, e.g. the regret of the policy."""
        ...


def served(token: bytes) -> Served:
    """What a token says, unverified: it is the scorer's word to us. Raises DecodeError."""
    return Served.decode(token[:-TRAILER_BYTES])


def with_propensity(keys: TokenKeys, ad: RankedAd, propensity: float) -> bytes:
    """The token of an answer, signed again with the propensity of the policy that chose the ad.

    ``Score`` says 1, for it does not know who chose the candidates. Raises TokenError if the
    scorer signs with other keys.
    """
    known = keys.verify(ad.token)
    return keys.sign(
        Served(
            request_id=known.request_id,
            ad_id=known.ad_id,
            variant=known.variant,
            model_version=known.model_version,
            predicted_ctr=known.predicted_ctr,
            propensity=propensity,
            feature_fingerprint=known.feature_fingerprint,
            counter_keys=known.counter_keys,
            inputs=known.inputs,
        )
    )
