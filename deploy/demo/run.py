"""One demo from an empty data folder to a judged result: stack, history, jobs, play, accounts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException

from deploy.demo import accounting, verdict
from deploy.demo.bootstrapping import Training, TrainingFailed
from deploy.demo.environment import (
    adserver_settings,
    empty_folder,
    local_settings,
    shared_settings,
    stream_environment,
)
from deploy.demo.play import Killer, play
from deploy.demo.profiles import Profile
from deploy.demo.report import Report
from deploy.demo.screen import Screen
from deploy.demo.settings import DemoSettings
from deploy.demo.topic_reader import TopicReader, TopicsUnread
from deploy.demo.watch import MetricPorts, Watcher
from deploy.local.part import StackError
from deploy.local.ports import HOST
from deploy.local.stack import LocalStack
from online_model.datasets.text_table import DatasetError
from schemas.model_package import PackageError
from schemas.served_token import TokenKeys
from streaming.adserver.event_producer import DeliveryError
from streaming.adserver.frozen_model import NoModel, frozen_model
from streaming.adserver.player import PlayError
from streaming.adserver.session import Session, source_of
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.source import SourceError
from streaming.flink_rest import FlinkRest, FlinkRestError
from streaming.readiness import NotReady
from streaming.savepoints import (
    JobNotFoundError,
    SavepointError,
    running_job,
    stop_with_savepoint,
    wait_until_gone,
)
from streaming.settings import JobName, learner_group

POLL_SECONDS = 0.5
KNOWN_FAULTS = (
    DatasetError,
    DeliveryError,
    FlinkRestError,
    JobNotFoundError,
    KafkaException,
    SavepointError,
    NoModel,
    NotReady,
    OSError,
    PackageError,
    PlayError,
    SourceError,
    StackError,
    TopicsUnread,
    TrainingFailed,
)


class DemoFailed(RuntimeError):
    """A step failed; the message begins with the part that did."""


class Demo:
    """A run; ``report`` grows with it. The stack is left as it is at the end: stop it."""

    def __init__(
        self,
        profile: Profile,
        settings: DemoSettings,
        screen: Screen,
        *,
        kill_learner_after: int | None = None,
    ) -> None:
        self._profile = profile
        self._settings = settings
        self._screen = screen
        self._kill_learner_after = kill_learner_after
        self.report = Report(profile.source)
        self.local = local_settings(profile, settings)
        self.adserver: AdServerSettings = adserver_settings(profile, self.local)
        self.stack = LocalStack(self.local, environment=stream_environment(profile))

    def require_data(self) -> None:
        """Raises SourceError now, not after minutes, if the source has nothing to play."""
        keys = TokenKeys({1: bytes(16)})
        source_of(self._profile.source, keys, self.adserver)

    def run(self) -> Report:
        """All steps; whatever fails ends up in the report."""
        try:
            with self.reading() as reader:
                self.finish(reader)
        except DemoFailed as error:
            self.report.failures.append(str(error))
        return self.report

    @contextmanager
    def reading(self) -> Iterator[TopicReader]:
        """Everything up to a stack that serves and a reader that follows its topics."""
        seconds, screen = self.report.step_seconds, self._screen
        with screen.step("start Kafka and Redis", seconds), _blamed("stack"):
            empty_folder(self.local.folder)
            self.stack.start(["kafka", "redis"])
        environment = self.stack.environment()
        log = self.local.folder / "logs" / "bootstrap.log"
        with screen.step("train from history, start the events job", seconds):
            with _blamed("bootstrap"):
                training = Training(self._profile, self.adserver, environment, log)
            try:
                with _blamed("events job"):
                    self.stack.start(["events"])
                with _blamed("bootstrap"):
                    training.wait()
            finally:
                training.end()
        with screen.step("start the learning job and the scorer", seconds), _blamed("stack"):
            self.stack.start(["learning", "scorer"])
        reader = TopicReader(environment["CTR_KAFKA_BOOTSTRAP"])
        try:
            yield reader
        finally:
            reader.close()

    def finish(self, reader: TopicReader) -> None:
        """Play, drain, close the accounts and judge. Raises DemoFailed."""
        report, seconds, screen = self.report, self.report.step_seconds, self._screen
        shared = shared_settings(self.stack.environment())
        with _blamed("ad server"):
            session = Session(self._profile.source, shared, self.adserver)
            session.check()
            session.compare_with(frozen_model(shared))
        ports = MetricPorts(self.local.events_metrics_port, self.local.scorer_metrics_port)
        watcher = Watcher(session, reader, ports, shared)
        after = self._kill_learner_after
        killer = None if after is None else Killer(self.stack, "learning", after)
        with screen.step("play", seconds), _blamed("play"):
            report.play = play(session, self.stack, watcher, screen, killer)
        with screen.step("drain the events job", seconds), _blamed("events job"):
            self._drain(JobName.EVENTS)
            reader.catch_up(self._settings.drain_timeout_seconds)
        with screen.step("learn the last samples", seconds), _blamed("learning job"):
            self._learn_the_rest(watcher, reader, killer)
        report.sight = watcher.look(time.monotonic())
        report.kill = killer.kill if killer else None
        with _blamed("accounting"):
            ledger = reader.read_to_end(self._settings.drain_timeout_seconds)
        report.accounts = accounting.close(ledger, report.play.sent, report.sight.samples_learnt)
        report.failures += verdict.failures(
            report.play,
            report.accounts,
            report.sight,
            report.kill,
            kill_wanted=killer is not None,
            learnable=self._profile.learnable,
            expected_reasons=self._profile.expected_reasons,
        )

    def _drain(self, name: JobName) -> None:
        """Take event time to its end, so that all that is still due comes, and stop."""
        timeout_seconds = self._settings.drain_timeout_seconds
        local = self.local
        ports = {
            JobName.EVENTS: local.events_rest_port,
            JobName.LEARNING: local.learning_rest_port,
        }
        self.stack.let_end(name)
        flink = FlinkRest(f"http://{HOST}:{ports[name]}")
        job = running_job(flink, name)
        folder = local.folder / "drained"
        stop_with_savepoint(flink, job, folder, drain=True, timeout_seconds=timeout_seconds)
        wait_until_gone(flink, job, timeout_seconds)

    def _until(self, done: Callable[[], bool], what: str) -> None:
        """Wait for something, until a part fails or the time is over: the accounts will tell."""
        deadline = time.monotonic() + self._settings.learn_timeout_seconds
        while not done():
            if self.stack.failure:
                raise StackError(self.stack.failure)
            if time.monotonic() > deadline:
                self._screen.say(what)
                return
            time.sleep(POLL_SECONDS)

    def _learn_the_rest(self, watcher: Watcher, reader: TopicReader, killer: Killer | None) -> None:
        def learnt() -> int:
            return watcher.look(time.monotonic()).samples_learnt

        def is_back() -> bool:
            if killer is not None:
                killer.tick(learnt(), time.monotonic(), self._screen)
            return killer is None or killer.is_over

        group = learner_group(self.stack.environment()["CTR_MODEL"])
        self._until(is_back, "the learning job did not come back")
        self._until(lambda: reader.lag_of(group) == 0, "the learning job did not read all samples")
        self._drain(JobName.LEARNING)
        self._until(lambda: learnt() >= reader.samples, "not all samples were learnt")


@contextmanager
def _blamed(part: str) -> Iterator[None]:
    try:
        yield
    except KNOWN_FAULTS as error:
        raise DemoFailed(f"{part}: {error}") from error
