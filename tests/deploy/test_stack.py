"""What the local stack hands to its parts, and what it refuses."""

from pathlib import Path

import pytest

from deploy.local.part import StackError
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from schemas.settings import SettingsError, SharedSettings
from scorer.settings import ScorerSettings


@pytest.fixture
def settings(tmp_path: Path) -> LocalSettings:
    return LocalSettings(
        data=tmp_path,
        kafka_port=21001,
        kafka_controller_port=21004,
        redis_port=21002,
        scorer_port=21003,
    )


def test_the_parts_understand_every_setting_they_get(
    settings: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One misspelt name would end a part at its start."""
    for name, value in LocalStack(settings).environment().items():
        monkeypatch.setenv(name, value)
    assert SharedSettings.load().kafka_bootstrap == "127.0.0.1:21001"
    assert SharedSettings.load().redis_url == "redis://127.0.0.1:21002/0"
    assert ScorerSettings.load().port == 21003


def test_features_come_from_the_argument_then_from_the_environment(
    settings: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTR_FEATURES", "open_bandit")
    assert LocalStack(settings).environment()["CTR_FEATURES"] == "open_bandit"
    chosen = settings.model_copy(update={"features": "criteo"})
    assert LocalStack(chosen).environment()["CTR_FEATURES"] == "criteo"


def test_settings_of_the_parts_are_passed_on(
    settings: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTR_SCORER_CANDIDATES", "7")
    monkeypatch.setenv("CTR_LOCAL_PARTITIONS", "3")
    passed = LocalStack(settings, environment={"CTR_SCORER_EPSILON": "0.5"}).environment()
    assert passed["CTR_SCORER_CANDIDATES"] == "7"
    assert passed["CTR_SCORER_EPSILON"] == "0.5"
    assert "CTR_LOCAL_PARTITIONS" not in passed


def test_the_token_key_stays_and_is_another_in_another_folder(
    settings: LocalSettings, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"data": tmp_path / "other"})
    keys = [LocalStack(s).environment()["CTR_TOKEN_KEYS"] for s in (settings, settings, other)]
    assert keys[0] == keys[1] != keys[2]


def test_a_key_of_the_user_is_kept(
    settings: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTR_TOKEN_KEYS", "7:00ff")
    assert LocalStack(settings).environment()["CTR_TOKEN_KEYS"] == "7:00ff"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CTR_FOO_BAR", "1"),
        ("CTR_SCORER_PORT", "abc"),
        ("CTR_STREAMING_LABEL_WAIT", "1"),
        ("CTR_ONLINE_MODEL_PASSES", "0"),
    ],
)
def test_a_wrong_setting_of_any_part_is_told_before_anything_starts(
    settings: LocalSettings, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        LocalStack(settings)


def test_misuse_is_told(settings: LocalSettings) -> None:
    with LocalStack(settings) as stack:
        with pytest.raises(StackError, match="no such part: postgres"):
            stack.start(["postgres"])
        with pytest.raises(StackError, match="has not been started"):
            stack.status()


def test_missing_jars_name_the_remedy(settings: LocalSettings, tmp_path: Path) -> None:
    class WithoutJars(LocalSettings):
        @property
        def kafka_jars(self) -> Path:
            return tmp_path / "none"

    bare = WithoutJars(**settings.model_dump())
    with LocalStack(bare) as stack, pytest.raises(StackError, match="run `make setup`"):
        stack.start(["kafka"])
