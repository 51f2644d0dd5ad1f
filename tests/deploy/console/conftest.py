"""A console beside a real Redis, Kafka and scorer, one without any of them, and a real browser."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis
from confluent_kafka import Producer
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect, sync_playwright

from deploy.local.ports import HOST, free_ports
from schemas import redis_keys
from schemas.model_package import Manifest
from schemas.records import TrainingSample
from schemas.topics import TRAINING_SAMPLES
from stores.redis_client import connect
from tests.deploy.console.running_console import RunningConsole
from tests.scorer.publisher import Publisher, ad
from tests.scorer.running_scorer import RunningScorer
from tests.scorer.tiny_model import SPEC_FILE, TinyModel

CHROMIUM = shutil.which("chromium")
#: No sandbox as root, and nothing that asks its maker for anything.
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
MODEL = "deepfm"
ADS = 8
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


def nobody() -> dict[str, str]:
    """Settings by which nothing answers."""
    kafka, server, events, learning, scorer, monitor = free_ports(6)
    return {
        "CTR_KAFKA_BOOTSTRAP": f"{HOST}:{kafka}",
        "CTR_REDIS_URL": f"redis://{HOST}:{server}/0",
        "CTR_STREAMING_REST_PORT_EVENTS": str(events),
        "CTR_STREAMING_REST_PORT_LEARNING": str(learning),
        "CTR_STREAMING_METRICS_PORT_MONITOR": str(monitor),
        "CTR_CONSOLE_SCORER": f"{HOST}:{scorer}",
        "CTR_CONSOLE_SCORER_METRICS": f"http://{HOST}:{scorer}/metrics",
        "CTR_CONSOLE_PROMETHEUS": f"http://{HOST}:{scorer}",
    }


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console of an engine of which nothing runs."""
    folder = tmp_path_factory.mktemp("lonely")
    here = {"CTR_STREAMING_DATA": str(folder), "CTR_STREAMING_LAKE": str(folder / "lake")}
    with RunningConsole(folder / "log", {**nobody(), **here}) as running:
        yield running


@pytest.fixture(scope="module")
def console(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, _redis_server: str
) -> Iterator[RunningConsole]:
    """A console of a real Kafka, Redis and scorer with three model versions, of which the newest is
    served; it is emptied by no test."""
    folder = tmp_path_factory.mktemp("console")
    with redis.Redis.from_url(_redis_server) as client:
        client.flushall()
        client.function_flush()
        for number in (1, 2, 3):
            publish(client, f"v{number}", now_ms=1_700_000_000_000 + number, seed=number)
        Publisher(client).ads(*(ad(number) for number in range(ADS)))
    (metrics_port,) = free_ports(1)
    with RunningScorer(_redis_server, {"metrics_port": metrics_port}) as scorer:
        scorer.wait_for_model("v3")
        environment = {
            **nobody(),
            "CTR_KAFKA_BOOTSTRAP": kafka_bootstrap,
            "CTR_REDIS_URL": _redis_server,
            "CTR_FEATURES": str(SPEC_FILE),
            "CTR_CONSOLE_SCORER": scorer.address,
            "CTR_CONSOLE_SCORER_METRICS": f"http://{HOST}:{metrics_port}/metrics",
            "CTR_CONSOLE_PROMETHEUS": "",
            "CTR_STREAMING_DATA": str(folder),
            "CTR_STREAMING_LAKE": str(folder / "lake"),
        }
        with RunningConsole(folder / "log", environment) as running:
            yield running


def publish(client: redis.Redis, version: str, now_ms: int, seed: int) -> None:
    """A small model with metrics, as the publisher leaves it."""
    package = TinyModel(version, seed=seed).package
    manifest = Manifest.model_validate(
        {
            **package.manifest.model_dump(),
            "metrics": {"clicks": 200.0, "log_loss": 0.4 + seed / 100, "auc": 0.7, "pcoc": 1.0},
        }
    )
    writer = Publisher(client)
    writer.package(package)
    writer.client.set(redis_keys.model_manifest(MODEL, version), manifest.model_dump_json())
    writer.client.zadd(redis_keys.model_versions(MODEL), {version: now_ms})


def current(url: str) -> str:
    """The version that Redis says is served."""
    with connect(url) as client:
        value: object = client.get(redis_keys.model_current(MODEL))
    assert isinstance(value, bytes)
    return value.decode()


def labels(arm: str, version: str, p: float, clicks: int, rows: int) -> list[TrainingSample]:
    """Labelled impressions of now; the first ``clicks`` of them were clicked."""
    now = time.time_ns() // 1_000_000
    return [
        TrainingSample(
            kind="POSITIVE" if number < clicks else "NEGATIVE",
            request_id=f"{arm}-{version}-{number}",
            ad_id="a",
            user_id="u",
            ts=now - 1_000,
            position=1,
            price=1,
            variant=arm,
            model_version=version,
            predicted_ctr=p,
            propensity=1.0,
            feature_fingerprint="f",
            inputs=b"",
            label=int(number < clicks),
            label_ts=now,
            click_ts=now if number < clicks else None,
            sample_weight=1.0,
        )
        for number in range(rows)
    ]


def send_labels(bootstrap: str, samples: list[TrainingSample]) -> None:
    """To the topic of labelled samples."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for sample in samples:
        producer.produce(TRAINING_SAMPLES.name, sample.encode(), key=sample.request_id)
    assert producer.flush(20) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    if CHROMIUM is None:
        pytest.skip("no chromium: `make test-tools` installs it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS.split())
        yield started
        started.close()


@dataclass
class Visit:
    """A tab of its own, and all that went wrong in it."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note errors on the console, scripts that fail, and whatever is asked of others."""

        def noted(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.faults.append(f"{message.type}: {message.text}")

        def answered(response: Response) -> None:
            if not response.url.startswith(f"http://{HOST}:"):
                self.faults.append(f"asked elsewhere: {response.url}")

        self.page.on("console", noted)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("response", answered)

    def log_in(self, console: RunningConsole) -> None:
        """As an operator."""
        self.page.goto(f"{console.url}/login")
        self.page.get_by_label("Credential").fill(console.credential)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"{console.url}/")

    def leave(self) -> None:
        """Before the console ends: the page would try to reach it."""
        self.page.goto("about:blank")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A tab; the test fails if anything went wrong in it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    visit = Visit(context.new_page())
    visit.watch()
    yield visit
    context.close()
    assert visit.faults == []
