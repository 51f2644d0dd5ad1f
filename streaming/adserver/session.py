"""One play from start-up checks to summary: builds the parts and wires them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import grpc
import structlog

from schemas import topics
from schemas.proto.ctr.v1.scorer_pb2 import RankRequest
from schemas.proto.ctr.v1.scorer_pb2_grpc import ScorerStub
from schemas.served_token import TokenKeys
from schemas.settings import SharedSettings
from streaming.adserver import readiness, summary
from streaming.adserver.criteo_source import CriteoSource
from streaming.adserver.event_producer import EventProducer
from streaming.adserver.metrics import AdServerMetrics
from streaming.adserver.open_bandit_source import OpenBanditSource
from streaming.adserver.player import Player, Tally, publish_catalogue
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.source import Source
from streaming.adserver.summary import PlaySummary
from streaming.adserver.validation import FrozenModel, ProgressiveValidation
from streaming.adserver.world_source import WorldSource
from streaming.readiness import NotReady, require_topics

SourceName = Literal["world", "criteo", "open-bandit"]
CATALOGUE_SECONDS = 60.0
CATALOGUE_ENOUGH = 100
_log = structlog.get_logger(__name__)


def source_of(name: SourceName, keys: TokenKeys, settings: AdServerSettings) -> Source:
    """The source of a name. Raises SourceError, or DatasetError about a file."""
    if name == "criteo":
        return CriteoSource(settings)
    if name == "open-bandit":
        return OpenBanditSource(settings, keys)
    return WorldSource(settings, keys)


class Session:
    """A play; :meth:`run` blocks, :meth:`stop` ends it from elsewhere, the rest may be watched."""

    def __init__(
        self,
        name: SourceName,
        shared: SharedSettings,
        settings: AdServerSettings,
    ) -> None:
        self.name = name
        self._shared = shared
        self._settings = settings
        self._source = source_of(name, TokenKeys.parse(shared.token_keys), settings)
        self._metrics = AdServerMetrics()
        self._channel = grpc.insecure_channel(settings.scorer)
        self._scorer = ScorerStub(self._channel)  # type: ignore[no-untyped-call]
        self.validation = ProgressiveValidation(self._source.history_rate)
        self._producer: EventProducer | None = None
        self._player: Player | None = None
        self._stopped = False
        self._started = 0.0

    @property
    def tally(self) -> Tally | None:
        """What has happened so far; None before the play."""
        return self._player.tally if self._player else None

    def compare_with(self, frozen: FrozenModel) -> None:
        """Score what is served with a model that does not learn, too. To be called before run."""
        self.validation = ProgressiveValidation(self._source.history_rate, frozen)

    def check(self) -> None:
        """Raises NotReady unless broker, topics and scorer are there."""
        timeout_seconds = self._settings.ready_timeout_seconds
        require_topics(self._shared.kafka, readiness.NEEDED, timeout_seconds)
        readiness.require_scorer(self._channel, self._settings.scorer, timeout_seconds)

    def run(self) -> PlaySummary:
        """Play to the end. Raises NotReady, PlayError, DeliveryError, SourceError."""
        self.check()
        settings = self._settings
        self._metrics.serve(settings.metrics_port)
        producer = EventProducer(self._shared.kafka, self._metrics)
        player = Player(
            self._source,
            self._scorer,
            producer,
            requests_per_second=settings.requests_per_second,
            concurrency=settings.concurrency,
            timeout_seconds=settings.scorer_timeout_seconds,
            on_shown=self.validation.add,
            on_latency=self._metrics.request_seconds.observe,
        )
        self._producer, self._player = producer, player
        if self._stopped:
            player.stop.set()
        with self._closing():
            ads, users = publish_catalogue(self._source, producer)
            producer.flush()
            _log.info("catalogue sent", ads=ads, users=users)
            if self.name == "world":
                self._await_catalogue(ads)
            self._started = time.monotonic()
            try:
                player.play()
            finally:
                producer.flush()
        return self.summary()

    def stop(self) -> None:
        """End the play: no new requests, answers on their way are still shown."""
        self._stopped = True
        if self._player:
            self._player.stop.set()

    def summary(self) -> PlaySummary:
        """What has happened so far; may be asked while it runs."""
        assert self._player is not None
        assert self._producer is not None
        tally = self._player.tally
        return PlaySummary(
            source=self.name,
            seed=self._settings.seed,
            seconds=round(time.monotonic() - self._started, 3),
            asked=tally.asked,
            answered=tally.answered,
            unanswered=dict(tally.unanswered),
            rungs=dict(tally.rungs),
            sent={topic.name: self._producer.sent[topic.name] for topic in readiness.NEEDED},
            clicks_not_sent=tally.clicks_not_sent,
            model_version=tally.model_version,
            latency=summary.latency(tally),
            validation=self.validation.summary(),
            curve=self.validation.curve(),
            calibration=self.validation.calibration(),
            report=self._source.report(),
        )

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._channel.close()

    def _await_catalogue(self, ads: int) -> None:
        wanted = min(ads, CATALOGUE_ENOUGH)
        deadline = time.monotonic() + CATALOGUE_SECONDS
        ask = RankRequest(request_id="catalogue", user_id=topics.USERS.name, limit=wanted)
        seen = "no answer"
        while not self._stopped:
            try:
                answer = self._scorer.Rank(ask, timeout=self._settings.scorer_timeout_seconds)
                if len(answer.ads) >= wanted:
                    return
                seen = f"{len(answer.ads)} ads"
            except grpc.RpcError as error:
                seen = f"{error.code().name}: {error.details()}"
            if time.monotonic() > deadline:
                raise NotReady(
                    f"the scorer does not rank the {ads} ads of the catalogue after "
                    f"{CATALOGUE_SECONDS:.0f} s ({seen}): is the events job running?"
                )
            time.sleep(readiness.RETRY_SECONDS)
