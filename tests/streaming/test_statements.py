"""SQL files: every placeholder must be given, and a value cannot leave its quotes."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.addresses import KafkaAddress
from streaming.jobs.statements import kafka_options, lake_table, seconds, statement
from streaming.settings import JobName


def test_placeholders_are_filled() -> None:
    text = statement(JobName.LEARNING, "event_time", label_wait_ms=250)
    assert "IF(click_ts IS NULL, 0, 250)" in text
    assert "$" not in text


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="label_wait_ms"):
        statement(JobName.LEARNING, "event_time")


def test_quotes_are_doubled() -> None:
    values = {"topic": "it's", "kafka": {"k": "v's"}, "path": "p"}
    assert "'topic' = 'it''s'" in statement(JobName.EVENTS, "dead_letters_sink", **values)


def test_options_of_kafka() -> None:
    address = KafkaAddress("b:1", "SASL_SSL", "PLAIN", "me", SecretStr('a"b\\c'), Path("/ca.pem"))
    options = kafka_options(address)
    text = statement(JobName.EVENTS, "dead_letters_sink", topic="t", kafka=options)
    assert "'properties.bootstrap.servers' = 'b:1'" in text
    assert "'properties.security.protocol' = 'SASL_SSL'" in text
    assert "'properties.ssl.truststore.location' = '/ca.pem'" in text
    assert 'password="a\\"b\\\\c";' in text


def test_a_doubled_dollar_stays_for_flink() -> None:
    text = lake_table("lake_sink", "file:///lake")
    assert "'$day $hour:00:00'" in text


def test_an_unknown_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        statement(JobName.LEARNING, "counters")


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "0.000"), (7, "0.007"), (1_000, "1.000"), (60_050, "60.050")]
)
def test_seconds(milliseconds: int, text: str) -> None:
    assert seconds(milliseconds) == text
