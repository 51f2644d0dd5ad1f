"""Settings of one run: free ports, an empty data folder, the windows of the source."""

import os
import shutil
from pathlib import Path

from deploy.demo.profiles import Profile
from deploy.demo.settings import DemoSettings
from deploy.local.ports import HOST, free_ports, is_free
from deploy.local.settings import LocalSettings
from schemas.settings import SharedSettings
from streaming.adserver.settings import AdServerSettings


def local_settings(profile: Profile, settings: DemoSettings) -> LocalSettings:
    """The stack's settings in the demo's data folder; ports that are taken are replaced."""
    wanted = LocalSettings.load()
    ports = {
        name: getattr(wanted, name) for name in LocalSettings.model_fields if name.endswith("_port")
    }
    taken = [name for name, port in ports.items() if not is_free(port)]
    moved = dict(zip(taken, free_ports(len(taken)), strict=True))
    return LocalSettings.load(data=settings.data, features=profile.features, **moved)


def empty_folder(folder: Path) -> None:
    """Make the data folder empty. Raises OSError; refuses a folder that is no demo's."""
    marker = folder / "demo"
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise OSError(
            f"{folder} is not empty and was not made by a demo: set CTR_DEMO_DATA to another folder"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marker.touch()


def stream_environment(profile: Profile) -> dict[str, str]:
    """Windows of the source. All negatives are kept, so that the accounts can be closed."""
    return {
        "CTR_STREAMING_LABEL_WAIT_MS": str(profile.label_wait_ms),
        "CTR_STREAMING_ATTRIBUTION_WINDOW_MS": str(profile.attribution_window_ms),
        "CTR_STREAMING_NEGATIVE_KEEP": "1.0",
        "CTR_STREAMING_OUT_OF_ORDER_MS": "200",
    }


def shared_settings(environment: dict[str, str]) -> SharedSettings:
    """The shared settings that the stack's processes get."""
    names = {name: f"CTR_{name.upper()}" for name in SharedSettings.model_fields}
    return SharedSettings.load(
        **{
            name: environment[variable]
            for name, variable in names.items()
            if variable in environment
        }
    )


def adserver_settings(profile: Profile, local: LocalSettings) -> AdServerSettings:
    """The profile's, where the environment does not say otherwise."""
    given = {
        name: value
        for name, value in profile.adserver.items()
        if f"CTR_ADSERVER_{name.upper()}" not in os.environ
    }
    scorer = f"{HOST}:{local.scorer_port}"
    return AdServerSettings.load(**given, scorer=scorer, ready_timeout_seconds=30.0)
