"""Commands: ``inspect`` a package in Redis, ``calibrate`` predictions, and studies of the parts."""

import json
import sys
from typing import Annotated, Any

import redis
import typer
from rich.console import Console
from rich.table import Table

from online_model.repeated_options import RepeatedOptions
from online_model.studies.calibration_commands import calibrate, calibration_study
from online_model.studies.delay_commands import delay_study
from online_model.studies.poison_commands import poison_study
from online_model.training.export import load
from schemas import log_lines, redis_keys
from schemas.calibration import Calibration
from schemas.features import FeatureError, FeatureSpec
from schemas.model_package import CALIBRATION_FILE, ModelPackage, PackageError, fetch
from schemas.settings import SettingsError, SharedSettings
from stores.redis_client import connect

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
app.command()(calibrate)
app.command()(calibration_study)
app.command(cls=RepeatedOptions)(delay_study)
app.command(cls=RepeatedOptions)(poison_study)


@app.callback()
def commands() -> None:
    """What the code warns of goes to stderr: stdout is the answer's."""
    try:
        log_lines.configure(SharedSettings.load().log_level)
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


@app.command()
def inspect(
    model: Annotated[str, typer.Option(help="name of the model; default CTR_MODEL")] = "",
    version: Annotated[str, typer.Option(help="default: the one that is served")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Fetch a package, check it, and show what is in it."""
    try:
        shared = SharedSettings.load()
        name = model or shared.model
        with _redis(shared) as client:
            stored: Any = client.get(redis_keys.model_current(name))
            wanted = version or (stored.decode() if stored else "")
            if not wanted:
                raise PackageError(f"no version of model {name} is current in Redis")
            package = fetch(name, wanted, client.mget)
        report = _report(package, FeatureSpec.load(shared.features))
    except (SettingsError, FeatureError, PackageError, redis.RedisError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(report))
        return
    table = Table("what", "value", title=f"{name} {wanted}")
    for key, value in report.items():
        table.add_row(key, json.dumps(value))
    Console().print(table)


def _redis(shared: SharedSettings) -> redis.Redis:
    try:
        return connect(shared.redis)
    except ValueError as error:
        raise SettingsError(f"CTR_REDIS_URL: {error}") from None


def _report(package: ModelPackage, spec: FeatureSpec) -> dict[str, Any]:
    loaded = load(package, spec)
    calibration = Calibration.model_validate_json(package.files[CALIBRATION_FILE])
    manifest = package.manifest.model_dump(mode="json", exclude={"files"})
    return {
        **manifest,
        "files_bytes": {name: len(data) for name, data in package.files.items()},
        "rows": loaded.shape.rows,
        "rows_learnt": int(loaded.table.curvature.any(dim=1).sum()),
        "embedding_dim": loaded.shape.dim,
        "dense_parameters": sum(value.size for value in loaded.dense_parameters().values()),
        "calibration": calibration.model_dump(mode="json"),
    }


if __name__ == "__main__":
    app()
