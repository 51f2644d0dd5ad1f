"""The console over plain HTTP: who may act, what every answer carries, start and end."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import HOST
from tests.deploy.console.conftest import current, nobody
from tests.deploy.console.running_console import CREDENTIAL, RunningConsole

ACTIONS = {
    "/api/models/serve": {"version": "v1", "expected": "v3", "reason": "x"},
    "/api/dead-letters/resubmit": {"reason": "x", "topic": "clicks"},
    "/api/savepoints/take": {"job": "events"},
    "/api/savepoints/restore": {"job": "events", "savepoint": "x"},
}


@pytest.mark.parametrize("path", ACTIONS)
def test_nobody_acts_without_the_credential(console: RunningConsole, path: str) -> None:
    body = ACTIONS[path]
    assert console.request(path, body).status == 403
    assert console.request(path, body, authorization="Bearer wrong").status == 403
    assert console.request(path, body, cookie="ctr_console=guessed").status == 403
    assert console.request(path).status == 405, "an action is no GET"


def test_a_session_needs_its_csrf_token(console: RunningConsole) -> None:
    answer = console.log_in()
    assert answer.status == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    mine = cookie.partition(";")[0]
    body = ACTIONS["/api/models/serve"]
    assert console.request("/api/models/serve", body, cookie=mine).status == 403
    refused = console.request("/api/models/serve", body, cookie=mine, x_csrf_token="guessed")
    assert refused.status == 403
    assert current(console.environment["CTR_REDIS_URL"]) == "v3"
    page = console.request("/", cookie=mine).body
    token = page.partition('name="csrf" content="')[2].partition('"')[0]
    wrong = {**body, "expected": "v2"}
    judged = console.request("/api/models/serve", wrong, cookie=mine, x_csrf_token=token)
    assert judged.status == 409
    assert "v3 is current by now, not v2" in judged.json()["fault"]


def test_another_site_may_not_act(console: RunningConsole) -> None:
    answer = console.request(
        "/api/savepoints/take",
        {"job": "events"},
        authorization=f"Bearer {CREDENTIAL}",
        sec_fetch_site="cross-site",
    )
    assert answer.status == 403
    assert console.request("/", host="attacker.example").status == 400, "DNS rebinding"


def test_answers_forbid_what_is_from_elsewhere(console: RunningConsole) -> None:
    for path in ("/", "/api/loop", "/static/console.css", "/healthz"):
        headers = console.request(path).headers
        assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/api/models/serve", {"version": "v1", "expected": "v3"}, "reason: expected a text"),
        ("/api/models/serve", {"version": "v3", "expected": "v3", "reason": "x"}, "served already"),
        ("/api/models/serve", [], "expected a JSON object"),
        ("/api/dead-letters/resubmit", {"reason": "x", "topic": "engagements"}, "not one of"),
        ("/api/savepoints/take", {"job": "other"}, "not one of events, learning"),
        ("/api/savepoints/restore", {"job": "events", "savepoint": "/etc"}, "none of the 0"),
        ("/api/savepoints/restore", b"{", "expected a JSON object"),
    ],
)
def test_a_wrong_body_is_told_by_field(
    console: RunningConsole, path: str, body: Any, words: str
) -> None:
    answer = console.act(path, body)
    assert answer.status == 422
    assert words in answer.json()["fault"]


def test_a_huge_body_is_not_read(console: RunningConsole) -> None:
    assert console.act("/api/savepoints/take", b"x" * 100_000).status == 413


def test_an_action_that_cannot_be_done_says_why(lonely: RunningConsole) -> None:
    for path, words in (
        ("/api/savepoints/take", "no Flink answers"),
        ("/api/models/serve", "Redis at redis://"),
        ("/api/dead-letters/resubmit", "no Kafka broker answers"),
    ):
        answer = lonely.act(path, ACTIONS[path])
        assert (answer.status, words in answer.json()["fault"]) == (409, True)
    assert "answers UNAVAILABLE" in lonely.request("/api/explain?user=u").json()["fault"]


def test_metrics_tell_which_sources_answer(console: RunningConsole, lonely: RunningConsole) -> None:
    console.until("/api/loop", lambda picture: _health(picture, "kafka") == "good")
    metrics = console.request("/metrics").body
    assert 'ctr_console_source_up{source="Kafka"} 1.0' in metrics
    assert 'ctr_console_source_up{source="events job"} 0.0' in metrics
    assert 'ctr_console_source_up{source="Redis"} 0.0' in lonely.request("/metrics").body
    assert console.request("/healthz").json()["status"] == "ok"


def _health(picture: dict[str, Any], name: str) -> str:
    (health,) = [box["health"] for box in picture["boxes"] if box["id"] == name]
    return str(health)


def test_actions_are_logged_and_counted_without_secrets(console: RunningConsole) -> None:
    console.act("/api/savepoints/take", {"job": "events"})
    console.log_in("a-wrong-guess")
    log = console.log.read_text()
    assert "action='savepoint' outcome='refused'" in log
    assert CREDENTIAL not in log
    assert "a-wrong-guess" not in log
    counted = 'ctr_console_actions_total{action="savepoint",outcome="refused"}'
    assert counted in console.request("/metrics").body


def test_without_a_credential_in_its_settings_nobody_acts(tmp_path: Path) -> None:
    with RunningConsole(tmp_path / "log", nobody(), credential="") as readonly:
        assert readonly.request("/").status == 200
        assert "CTR_CONSOLE_CREDENTIAL" in readonly.log_in("").body
        for header in ("Bearer ", "Bearer x"):
            answer = readonly.request(
                "/api/savepoints/take", {"job": "events"}, authorization=header
            )
            assert answer.status == 403


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("CTR_CONSOLE_PORTT", "1", "did you mean CTR_CONSOLE_PORT?"),
        ("CTR_CONSOLE_PROMETHEUS", "localhost", "CTR_CONSOLE_PROMETHEUS"),
        ("CTR_CONSOLE_PORT", "", "CTR_CONSOLE_PORT"),
    ],
)
def test_wrong_settings_are_told(variable: str, value: str, words: str) -> None:
    assert words in _refused({variable: value})


def test_a_taken_port_is_told(lonely: RunningConsole) -> None:
    told = _refused({"CTR_CONSOLE_PORT": str(lonely.port)})
    assert f"cannot listen on {HOST}:{lonely.port}" in told
    assert "CTR_CONSOLE_PORT" in told


def _refused(variables: dict[str, str]) -> str:
    shell = {k: v for k, v in os.environ.items() if not k.startswith("CTR_")}
    result = subprocess.run(
        [sys.executable, "-m", "deploy.console"],
        env={**shell, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 2, result.stderr
    return result.stderr


def test_it_is_small() -> None:
    """Its image has no torch and no Flink, and its pages load no models."""
    code = """
import sys
from importlib import import_module
from deploy.console import process
from deploy.console.app import PAGES
for _, _, name in PAGES:
    import_module(f"deploy.console.pages.{name}")
print(*{"torch", "pyflink", "sklearn", "numba", "faiss", "onnxruntime"} & sys.modules.keys())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.split() == []
