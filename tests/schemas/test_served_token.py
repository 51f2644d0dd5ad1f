"""Tokens: only who holds a key can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_codec import DecodeError
from schemas.records import Served
from schemas.served_token import TokenError, TokenKeys

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
