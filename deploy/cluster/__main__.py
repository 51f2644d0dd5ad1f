"""``python -m deploy.cluster {kafka|redis-users}``: what a cluster needs before the first start."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.cluster import kafka_rights, redis_users
from schemas.settings import SettingsError, SharedSettings
from stores.kafka_client import client_settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_show_locals=False, help=__doc__
)


@app.command()
def kafka(
    partitions: Annotated[int, typer.Option(min=1, help="of each topic that is created")] = 12,
    replication: Annotated[int, typer.Option(min=1, help="copies of each partition")] = 3,
    rights: Annotated[bool, typer.Option("--rights", help="also give the users theirs")] = False,
) -> None:
    """Create the topics that are missing at CTR_KAFKA_BOOTSTRAP; may be run again."""
    try:
        address = SharedSettings.load().kafka
        admin = AdminClient({**client_settings(address), "log_level": 0})
        created = kafka_rights.create_topics(admin, partitions, replication)
        if rights:
            kafka_rights.grant(admin)
    except SettingsError as error:
        _fail(str(error))
    except KafkaException as error:
        _fail(f"Kafka at {address}: {error.args[0].str()}")
    print(f"created: {', '.join(created) or 'none, all topics are there'}")
    if rights:
        print(f"rights are given to {', '.join(kafka_rights.RIGHTS)}")


@app.command(name="redis-users")
def print_redis_users(
    folder: Annotated[Path, typer.Argument(help="with a file for the password of each user")],
) -> None:
    """Print a file for Redis' setting aclfile; passwords that are missing are made."""
    print(redis_users.access_list(redis_users.passwords(folder)), end="")


def _fail(text: str) -> NoReturn:
    print(f"deploy.cluster: {text}", file=sys.stderr)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
