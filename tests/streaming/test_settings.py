"""Settings of the streaming jobs: a wrong value names its variable."""

from pathlib import Path

import pytest

from schemas.settings import SettingsError
from streaming.settings import JobName, StreamingSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LABEL_WAIT_MS", "-1"),
        ("ATTRIBUTION_WINDOW_MS", "0"),
        ("NEGATIVE_KEEP", "0"),
        ("NEGATIVE_KEEP", "1.5"),
        ("OUT_OF_ORDER_MS", "1000000"),
        ("BATCH_MS", "soon"),
        ("STATE_BACKEND", "memory"),
        ("PARALLELISM", "129"),
        ("REST_PORT_EVENTS", "65536"),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variable = f"CTR_STREAMING_{name}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        StreamingSettings.load()


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_STREAMING_LABEL_WAIT", "5")
    with pytest.raises(SettingsError, match=r"did you mean CTR_STREAMING_LABEL_WAIT_MS\?"):
        StreamingSettings.load()


def test_the_label_wait_ends_within_the_attribution_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CTR_STREAMING_LABEL_WAIT_MS", "1001")
    monkeypatch.setenv("CTR_STREAMING_ATTRIBUTION_WINDOW_MS", "1000")
    with pytest.raises(SettingsError, match=r"label_wait_ms \(1001\) .* \(1000\)"):
        StreamingSettings.load()
    monkeypatch.setenv("CTR_STREAMING_LABEL_WAIT_MS", "1000")
    assert StreamingSettings.load().label_wait_ms == 1_000


def test_jobs_and_drained_savepoints_have_folders_of_their_own() -> None:
    settings = StreamingSettings(data=Path("somewhere"))
    folders = [
        folder(job)
        for job in JobName
        for folder in (settings.checkpoints, settings.savepoints, settings.drained)
    ]
    assert len(set(folders)) == len(folders)
    assert all(folder.is_absolute() for folder in folders)
    ports = {settings.rest_port(job) for job in JobName}
    assert len(ports) == len(JobName)
