"""Who may act: an operator who gave the credential, by a session cookie or by a header.

The credential is compared in constant time. Sessions live in this process: a restart logs out.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

COOKIE = "ctr_console"
CSRF_HEADER = "x-csrf-token"
MOST_SESSIONS = 200
#: After so many wrong credentials within a minute nobody is let in for the rest of it.
MOST_FAILURES = 10
FAILURE_SECONDS = 60.0
_SCHEME = "bearer "


class LoginRefused(RuntimeError):
    """No session is given; the message says why."""


@dataclass(frozen=True, slots=True)
class Session:
    """``csrf`` must come with every action, in a header that no other site can set."""

    csrf: str
    ends_at: float


@dataclass(slots=True)
class Sessions:
    """``now`` in seconds of a clock that does not jump."""

    credential: SecretStr
    seconds: float
    now: Callable[[], float] = time.monotonic
    _sessions: dict[str, Session] = field(default_factory=dict)
    _failures: list[float] = field(default_factory=list)

    @property
    def read_only(self) -> bool:
        """Nobody may act, since no credential is set."""
        return not self.credential.get_secret_value()

    def log_in(self, credential: str) -> str:
        """The value of a new session's cookie. Raises LoginRefused."""
        if self.read_only:
            raise LoginRefused("no credential is set (CTR_CONSOLE_CREDENTIAL): nobody may act")
        self._require(credential)
        now = self.now()
        self._forget_ended(now)
        cookie = secrets.token_urlsafe(32)
        self._sessions[_digest(cookie)] = Session(secrets.token_urlsafe(32), now + self.seconds)
        return cookie

    def log_out(self, cookie: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(_digest(cookie), None)

    def of(self, cookie: str | None) -> Session | None:
        """The session of a cookie, unless it has ended."""
        session = self._sessions.get(_digest(cookie or ""))
        return session if session is not None and session.ends_at > self.now() else None

    def may_act(self, cookie: str | None, headers: Mapping[str, str]) -> bool:
        """By the session and its CSRF token, or by ``Authorization: Bearer CREDENTIAL``."""
        session = self.of(cookie)
        if session is not None:
            return _equal(headers.get(CSRF_HEADER, ""), session.csrf)
        given = headers.get("authorization", "")
        if not given.lower().startswith(_SCHEME):
            return False
        try:
            self._require(given[len(_SCHEME) :])
        except LoginRefused:
            return False
        return True

    def _require(self, credential: str) -> None:
        now = self.now()
        self._failures = [at for at in self._failures if now - at < FAILURE_SECONDS]
        if len(self._failures) >= MOST_FAILURES:
            raise LoginRefused("too many wrong credentials: wait a minute")
        if self.read_only or not _equal(credential, self.credential.get_secret_value()):
            self._failures.append(now)
            raise LoginRefused("this is not the operator's credential")

    def _forget_ended(self, now: float) -> None:
        for key in [key for key, session in self._sessions.items() if session.ends_at <= now]:
            del self._sessions[key]
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _equal(one: str, other: str) -> bool:
    # Digests have one length, so that not even that of the credential is told by time.
    return hmac.compare_digest(_digest(one), _digest(other))
