"""Savepoints of a real events job: taken and restored in the browser. Slow: `make test-console`."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from deploy.local.ports import free_ports
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from tests.deploy.console.conftest import Visit
from tests.deploy.console.running_console import RunningConsole

PORTS = [name for name in LocalSettings.model_fields if name.endswith("_port")]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def beside_a_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console beside the local stack's Kafka, Redis and events job."""
    folder = tmp_path_factory.mktemp("stack")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    settings = LocalSettings.model_validate({"data": folder, **ports})
    with LocalStack(settings) as stack:
        stack.start(["kafka", "redis", "events"])
        environment = stack.environment()
        own = ("CTR_CONSOLE_PORT", "CTR_CONSOLE_CREDENTIAL")
        passed = {name: value for name, value in environment.items() if name not in own}
        with RunningConsole(folder / "console.log", passed) as running:
            yield running


def test_a_savepoint_is_taken_and_restored(visit: Visit, beside_a_job: RunningConsole) -> None:
    console, page = beside_a_job, visit.page
    visit.log_in(console)
    page.goto(f"{console.url}/savepoints")
    card = page.locator("section.card", has=page.get_by_role("heading", name="events job"))
    expect(card).to_contain_text("RUNNING")
    card.get_by_role("button", name="Take a savepoint").click()
    page.locator("dialog").get_by_role("button", name="Take it").click()
    expect(page.locator(".toast")).to_contain_text("taken: file:", timeout=120_000)
    name = card.locator("tbody code").inner_text()
    assert name.startswith("savepoint-")

    card.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("heading", name="Restore the events job?")).to_be_visible()
    page.locator("dialog").get_by_role("button", name="Restore").click()
    expect(page.locator(".toast")).to_contain_text(f"goes on from {name}", timeout=300_000)
    values = console.until("/api/savepoints", lambda got: _restored(got) is not None, 300)
    assert str(_restored(values)).endswith(name)
    visit.leave()


def _restored(values: dict[str, object]) -> object:
    (events,) = [job for job in _jobs(values) if job["name"] == "events"]
    checkpoints = events.get("checkpoints")
    return checkpoints["restored_path"] if isinstance(checkpoints, dict) else None


def _jobs(values: dict[str, object]) -> list[dict[str, object]]:
    jobs = values["jobs"]
    assert isinstance(jobs, list)
    return jobs
