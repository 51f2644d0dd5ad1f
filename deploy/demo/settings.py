"""Settings of the demo (``CTR_DEMO_*``)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings


class DemoSettings(Settings):
    """Where the demo keeps things, how long it waits, and how much it plays."""

    model_config = SettingsConfigDict(env_prefix="CTR_DEMO_", frozen=True, extra="forbid")

    data: Path = Field(
        Path(".local/demo"), description="data folder, relative to the project; emptied at start"
    )
    json_path: Path = Field(Path("demo.json"), description="where the summary goes")
    picture_path: Path = Field(Path("demo.png"), description="where the picture goes")
    history_rows: int = Field(0, ge=0, description="rows for bootstrap; 0: as fits the source")
    rows: int = Field(0, ge=0, description="rows of a log to stream; 0: all that are left")
    seconds: float = Field(0.0, ge=0, description="how long the world goes on; 0: 120 s")
    line_seconds: float = Field(5.0, gt=0, description="time between lines off a terminal")
    drain_timeout_seconds: float = Field(90.0, gt=0, description="for the last labels")
    learn_timeout_seconds: float = Field(60.0, gt=0, description="for the last samples")
