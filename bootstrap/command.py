"""What commands share: options, the connection to Redis, and faults as one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import redis
import typer

from bootstrap.announcer import AnnounceError
from bootstrap.publishing import GateError
from bootstrap.row_range import RowRangeError
from bootstrap.sample_topic import TopicError
from bootstrap.source import SourceError
from online_model.datasets.text_table import DatasetError
from online_model.training.export import ExportError
from online_model.training.peers import PeersError
from online_model.training.trainer import HistoryError
from online_model.training.training_checkpoint import CheckpointError
from schemas.features import FeatureError
from schemas.model_package import PackageError
from schemas.settings import SettingsError, SharedSettings
from stores.lake.folders import LakeError
from stores.model_versions import VersionError
from stores.redis_client import connect

AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]
Force = Annotated[bool, typer.Option("--force", help="publish what the gate refuses")]
ModelOption = Annotated[str, typer.Option(help="name of the model; default CTR_MODEL")]


class ModelName(StrEnum):
    """Architectures."""

    DEEPFM = "deepfm"
    LR = "lr"


@contextmanager
def faults_told() -> Iterator[None]:
    """A fault that the user can put right is one line on stderr and exit code 1, a refusal of the
    gate exit code 3: to try again changes nothing. Code 4: it is served, but Kafka was not told."""
    try:
        yield
    except GateError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(3) from None
    except AnnounceError as error:
        print(f"the version is served all the same; {error}", file=sys.stderr)
        raise typer.Exit(4) from None
    except redis.RedisError as error:
        print(f"Redis (CTR_REDIS_URL): {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except (
        CheckpointError,
        DatasetError,
        ExportError,
        FeatureError,
        HistoryError,
        LakeError,
        PackageError,
        PeersError,
        RowRangeError,
        SettingsError,
        SourceError,
        TopicError,
        VersionError,
    ) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


def connected(shared: SharedSettings) -> redis.Redis:
    """Raises SettingsError."""
    try:
        return connect(shared.redis)
    except ValueError as error:
        raise SettingsError(f"CTR_REDIS_URL: {error}") from None
