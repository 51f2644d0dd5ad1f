"""Settings: a wrong one is named together with what is allowed."""

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings, SettingsError, SharedSettings


class ExampleSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="CTR_SCORER_", frozen=True, extra="forbid")
    port: int = Field(1, ge=1, le=65_535)


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_KAFKA_BOOTSTARP", "x")
    with pytest.raises(SettingsError, match="did you mean CTR_KAFKA_BOOTSTRAP"):
        SharedSettings.load()


def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_SCORER_PORT", "70000")
    with pytest.raises(SettingsError, match=r"CTR_SCORER_PORT: .*65535"):
        ExampleSettings.load()


def test_variables_of_other_packages_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_SCORER_PORT", "7")
    monkeypatch.setenv("CTR_REDIS_URL", "redis://elsewhere")
    assert SharedSettings.load().redis_url == "redis://elsewhere"
    assert ExampleSettings.load().port == 7


def test_token_keys_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_TOKEN_KEYS", "1:abcdef")
    assert "abcdef" not in repr(SharedSettings.load())


def test_the_url_of_a_registry_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_SCHEMA_REGISTRY_URL", "registry:8081")
    with pytest.raises(SettingsError, match="CTR_SCHEMA_REGISTRY_URL"):
        SharedSettings.load()
    monkeypatch.setenv("CTR_SCHEMA_REGISTRY_URL", "http://registry:8081")
    assert SharedSettings.load().schema_registry_url == "http://registry:8081"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"REDIS_URL": "redis://me:hush@host:1"}, "CTR_REDIS_URL: .*CTR_REDIS_PASSWORD"),
        ({"REDIS_CA": "/ca.pem"}, "rediss://"),
        ({"REDIS_URL": "rediss://host", "REDIS_CERT": "/c.pem"}, "CTR_REDIS_KEY"),
        ({"KAFKA_PASSWORD": "hush", "KAFKA_USERNAME": "me"}, "CTR_KAFKA_SECURITY"),
        ({"KAFKA_SECURITY": "SASL_SSL", "KAFKA_USERNAME": "me"}, "needs both"),
    ],
)
def test_credentials_that_would_not_be_safe_are_refused(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"CTR_{name}", value)
    with pytest.raises(SettingsError, match=told) as refused:
        SharedSettings.load()
    assert "hush" not in str(refused.value)


def test_addresses_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_REDIS_PASSWORD", "hush")
    monkeypatch.setenv("CTR_KAFKA_SECURITY", "SASL_SSL")
    monkeypatch.setenv("CTR_KAFKA_USERNAME", "me")
    monkeypatch.setenv("CTR_KAFKA_PASSWORD", "hush")
    shared = SharedSettings.load()
    assert shared.redis.password.get_secret_value() == "hush"
    for shown in (shared, shared.redis, shared.kafka):
        assert "hush" not in f"{shown} {shown!r}"
