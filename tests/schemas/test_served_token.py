"""Tokens: only who holds a key can make one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas import token_rotation
from schemas.avro_codec import DecodeError
from schemas.records import Served
from schemas.served_token import TokenError, TokenKeys
from tests.golden.make_tokens import TOKENS, lines

OLD, NEW = "1:" + "ab" * 16, "2:" + "cd" * 32
SERVED = Served("r", "7", "deepfm", "v1", 0.25, 1.0, "0" * 16, ("ad:7",), b"inputs")


def test_a_signed_token_gives_back_what_was_served() -> None:
    keys = TokenKeys.parse(OLD)
    served = keys.verify(keys.sign(SERVED))
    assert (served.request_id, served.predicted_ctr, served.inputs) == ("r", 0.25, b"inputs")


def test_keys_rotate_without_downtime() -> None:
    old_token = TokenKeys.parse(OLD).sign(SERVED)
    rotated = TokenKeys.parse(f"{NEW}, {OLD}")
    assert rotated.verify(old_token).ad_id == "7"
    with pytest.raises(TokenError, match="unknown key id 2"):
        TokenKeys.parse(OLD).verify(rotated.sign(SERVED))


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    keys = TokenKeys.parse(OLD)
    token = bytearray(keys.sign(SERVED))
    at = data.draw(st.integers(0, len(token) - 1))
    token[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TokenError, match=r"^forged-token"):
        keys.verify(bytes(token))


@given(st.binary(max_size=100))
def test_any_bytes_get_a_reason(token: bytes) -> None:
    with pytest.raises((TokenError, DecodeError), match=r"^[a-z-]+: "):
        TokenKeys.parse(OLD).verify(token)


@pytest.mark.parametrize("text", ["", "1", "1:zz", "300:" + "ab" * 16, "1:abcd"])
def test_wrong_keys_are_named(text: str) -> None:
    with pytest.raises(ValueError, match="CTR_TOKEN_KEYS"):
        TokenKeys.parse(text)


@pytest.mark.parametrize("line", TOKENS.read_text().splitlines())
def test_golden_tokens_are_judged_as_in_java(line: str) -> None:
    """The same lines are read by TokenReaderTest.java: each step of a rotation, and forgeries."""
    keys, token, outcome = line.split(" ", 2)
    try:
        served = TokenKeys.parse(keys).verify(bytes.fromhex(token))
        said = "ok"
        assert (served.request_id, served.ad_id, served.inputs) == ("r-1", "7", b"inputs")
    except TokenError as error:
        said = str(error)
    assert said == outcome


def test_the_golden_tokens_are_those_of_today() -> None:
    assert TOKENS.read_text().splitlines() == lines()


def test_a_rotation_from_end_to_end() -> None:
    """At each step both the processes before it and after it take each other's tokens."""
    first = token_rotation.added(SecretStr(""))
    steps = [first, token_rotation.added(SecretStr(first))]
    steps.append(token_rotation.promoted(SecretStr(steps[-1])))
    steps.append(token_rotation.dropped(SecretStr(steps[-1])))
    keys = [TokenKeys.parse(step) for step in steps]
    tokens = [key.sign(SERVED) for key in keys]
    assert tokens[0] == tokens[1]
    assert tokens[2] == tokens[3] != tokens[0]
    for before, after in pairwise(range(len(steps))):
        assert keys[after].verify(tokens[after]).ad_id == "7"
        assert keys[before].verify(tokens[after]).ad_id == "7"
    assert keys[2].verify(tokens[0]).ad_id == "7"
    with pytest.raises(TokenError, match="unknown key id"):
        keys[3].verify(tokens[0])


def test_steps_out_of_order_are_refused() -> None:
    with pytest.raises(token_rotation.RotationError, match="add one first"):
        token_rotation.promoted(SecretStr(OLD))
    with pytest.raises(token_rotation.RotationError, match="promote or drop"):
        token_rotation.added(SecretStr(f"{OLD},{NEW}"))
    with pytest.raises(ValueError, match="id 1 is there twice"):
        TokenKeys.parse(f"{OLD},{OLD}")
