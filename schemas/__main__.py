"""Commands: ``generate``, ``register``, ``check``, ``fingerprints``, ``topics``, ``token-keys``."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from schemas import avro_codec, evolution, features, records, stubs, token_rotation, topics
from schemas.settings import SharedSettings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def generate() -> None:
    """Generate the gRPC stubs from the proto files."""
    for path in stubs.generate():
        print(path.relative_to(stubs.ROOT))


@app.command()
def register() -> None:
    """Keep the current version of each record in avro/history: before it is used, and committed."""
    try:
        added = evolution.register()
    except evolution.EvolutionError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    for path in added:
        print(path.relative_to(stubs.ROOT))


@app.command()
def check() -> None:
    """Fail if generated stubs are out of date, or a record or a feature set cannot be used."""
    try:
        stubs.check()
        evolution.check()
        for name in features.built_in_names():
            features.FeatureSpec.load(name)
    except (stubs.StubError, evolution.EvolutionError, features.FeatureError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    print("schemas: generated files are up to date, records are compatible")


@app.command()
def fingerprints(
    declarations: Annotated[
        list[str] | None, typer.Argument(help="feature files, checked and shown, too")
    ] = None,
) -> None:
    """Show the fingerprints of records and feature sets."""
    table = Table("what", "name", "fingerprint")
    for record in records.RECORDS:
        digest = avro_codec.schema_fingerprint(avro_codec.current_schema(record))
        table.add_row("record", record, digest.hex())
    try:
        for name in (*features.built_in_names(), *(declarations or ())):
            table.add_row("features", name, features.FeatureSpec.load(name).fingerprint)
    except features.FeatureError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    Console().print(table)


@app.command(name="topics")
def show_topics() -> None:
    """Show the Kafka topics."""
    table = Table("topic", "key", "record", "configuration")
    for topic in topics.ALL:
        settings = ", ".join(f"{key}={value}" for key, value in topic.config.items())
        table.add_row(topic.name, topic.key, topic.record, settings)
    Console().print(table)


class Rotation(StrEnum):
    """Steps of a rotation, in order."""

    ADD = "add"
    PROMOTE = "promote"
    DROP = "drop"


_ROTATIONS: dict[Rotation, Callable[[SecretStr], str]] = {
    Rotation.ADD: token_rotation.added,
    Rotation.PROMOTE: token_rotation.promoted,
    Rotation.DROP: token_rotation.dropped,
}


@app.command()
def token_keys(step: Rotation) -> None:
    """Print what CTR_TOKEN_KEYS is to be next, from what it is now.

    add: give it to the jobs, then to the scorers. promote: to the scorers. drop: once the last
    impression that the old key signed has come, and the attribution window is over.
    """
    try:
        print(_ROTATIONS[step](SharedSettings.load().token_keys))
    except ValueError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
