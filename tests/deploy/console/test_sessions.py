"""Sessions end, are bounded, and guessing is slow."""

from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from deploy.console.sessions import (
    CSRF_HEADER,
    FAILURE_SECONDS,
    MOST_FAILURES,
    MOST_SESSIONS,
    LoginRefused,
    Sessions,
)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(SecretStr("right"), seconds=100.0, now=clock)


def test_a_session_ends(sessions: Sessions, clock: Clock) -> None:
    cookie = sessions.log_in("right")
    clock.now = 99.0
    assert sessions.of(cookie) is not None
    clock.now = 101.0
    assert sessions.of(cookie) is None


def test_log_out_ends_one_session(sessions: Sessions) -> None:
    mine, other = sessions.log_in("right"), sessions.log_in("right")
    sessions.log_out(mine)
    assert sessions.of(mine) is None
    assert sessions.of(other) is not None


def test_acting_needs_the_token_of_this_session(sessions: Sessions) -> None:
    mine, other = sessions.log_in("right"), sessions.log_in("right")
    mine_session, other_session = sessions.of(mine), sessions.of(other)
    assert mine_session is not None
    assert other_session is not None
    assert sessions.may_act(mine, {CSRF_HEADER: mine_session.csrf})
    assert not sessions.may_act(mine, {CSRF_HEADER: other_session.csrf})
    assert not sessions.may_act(mine, {})


def test_guessing_is_stopped_for_a_while_also_by_header(sessions: Sessions, clock: Clock) -> None:
    for number in range(MOST_FAILURES):
        assert not sessions.may_act(None, {"authorization": f"Bearer guess-{number}"})
    with pytest.raises(LoginRefused, match="too many wrong credentials"):
        sessions.log_in("right")
    assert not sessions.may_act(None, {"authorization": "Bearer right"})
    clock.now = FAILURE_SECONDS + 1
    assert sessions.may_act(None, {"authorization": "bearer right"})


def test_there_are_only_so_many(sessions: Sessions) -> None:
    first = sessions.log_in("right")
    for _ in range(MOST_SESSIONS):
        last = sessions.log_in("right")
    assert sessions.of(first) is None
    assert sessions.of(last) is not None


def test_an_empty_credential_lets_nobody_in() -> None:
    nobody = Sessions(SecretStr(""), seconds=100.0)
    with pytest.raises(LoginRefused, match="CTR_CONSOLE_CREDENTIAL"):
        nobody.log_in("")
    assert not nobody.may_act(None, {"authorization": "Bearer "})
