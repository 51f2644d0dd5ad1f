"""Each user of Redis over TLS: its own code works with its rights, and no others'."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry, Counter
from redis.exceptions import NoPermissionError

from bootstrap.publisher import Publisher
from deploy.cluster.redis_users import USERS, access_list, passwords
from schemas import redis_keys
from schemas.model_package import Manifest, ModelPackage, file_entries
from schemas.records import User
from scorer.ads.change_stream import read_snapshot
from scorer.ranking.user_reader import UserReader
from stores.redis_client import connect
from streaming.readiness import NotReady, require_redis
from streaming.redis_sink.batch_writer import part_done
from streaming.redis_sink.catalogue_writer import CatalogueWriter
from streaming.redis_sink.pipeline import RedisPipeline
from streaming.redis_sink.raw_commands import packed
from tests.security.secured_servers import SecuredServers


@contextmanager
def _as(servers: SecuredServers, user: str) -> Iterator[redis.Redis]:
    with connect(servers.redis(user)) as client:
        yield client


@pytest.fixture
def _rows(servers: SecuredServers) -> None:
    """Written as the events job does."""
    pipeline = RedisPipeline(servers.redis("events"))
    writer = CatalogueWriter(pipeline)
    writer.write_ads(["a"], [1], [b"ad"])
    writer.write_users(["u"], [1], [User("u", 1, {"segment": "s"}).encode()])
    part_done(pipeline, "none", "catalogue")


def _package(version: str) -> ModelPackage:
    files = {"table": b"x"}
    manifest = Manifest(
        model="m",
        version=version,
        created_ms=1,
        feature_fingerprint="f",
        files=file_entries(files),
    )
    return ModelPackage.checked(manifest, files)


@pytest.mark.usefixtures("_rows")
def test_the_scorer_reads_all_and_writes_nothing(servers: SecuredServers) -> None:
    address = servers.redis("scorer")
    reads = Counter("reads", "Reads", ("outcome",), registry=CollectorRegistry())
    row = UserReader(address, 5.0, reads).read("u", 5.0)
    assert row is not None
    assert row.attributes == {"segment": "s"}
    with _as(servers, "scorer") as client:
        assert [row.key for page in read_snapshot(client).ads for row in page] == ["a"]
        for write in (
            lambda: client.set(redis_keys.model_current("m"), "v"),
            lambda: client.hset(redis_keys.user("u"), "attributes", ""),
            lambda: client.xadd(redis_keys.CHANGES, {"kind": "ads"}),
        ):
            with pytest.raises(NoPermissionError):
                write()


def test_bootstrap_publishes_and_an_operator_rolls_back(servers: SecuredServers) -> None:
    with _as(servers, "bootstrap") as client:
        for number in range(1, 5):
            Publisher(client, "m", keep_versions=2).publish(_package(f"v{number}"), now_ms=number)
        with pytest.raises(NoPermissionError):
            client.delete(redis_keys.user("u"))
    with _as(servers, "operator") as client:
        versions = Publisher(client, "m", keep_versions=2)
        versions.roll_back(now_ms=9, reason="worse")
        assert versions.current() == "v3"


def test_the_learning_job_writes_rows_and_tells_of_them(servers: SecuredServers) -> None:
    rows, deltas = redis_keys.model_rows("m", "v"), redis_keys.model_deltas("m", "v")
    pipeline = RedisPipeline(servers.redis("learning"))
    put = [
        packed("UNLINK", rows),
        packed("HSET", rows, "row", "value"),
        packed("EXPIRE", rows, 60),
    ]
    assert pipeline.execute_raw(put, [rows] * len(put)) == [0, 1, 1]
    told = [
        packed("HMGET", redis_keys.model_learner("m"), "epoch"),
        packed("XADD", deltas, "MAXLEN", "~", 5, "*", "epoch", "e"),
        packed("EXPIRE", deltas, 60),
    ]
    assert pipeline.transact_raw(told, rows)[0] == [None]
    assert pipeline.client.get(redis_keys.model_current("n")) is None


def test_jobs_do_not_touch_what_is_the_others(servers: SecuredServers) -> None:
    with _as(servers, "events") as client, pytest.raises(NoPermissionError):
        client.set(redis_keys.model_current("m"), "v")
    with _as(servers, "learning") as client, pytest.raises(NoPermissionError):
        client.hgetall(redis_keys.user("u"))


@pytest.mark.parametrize("user", USERS)
def test_nobody_may_what_only_an_administrator_needs(servers: SecuredServers, user: str) -> None:
    require_redis(servers.redis(user), 5)
    with connect(servers.redis(user)) as connection:
        client: Any = connection
        for command in ("FLUSHALL", "CONFIG GET *", "KEYS *", "ACL LIST", "SHUTDOWN", "MONITOR"):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command.split())


def test_strangers_are_refused(servers: SecuredServers) -> None:
    known = servers.redis("events")
    with pytest.raises(NotReady, match="invalid username-password"):
        require_redis(replace(known, password=servers.redis("scorer").password), 5)
    with pytest.raises(NotReady, match="Authentication required"):
        require_redis(replace(known, username="", password=type(known.password)("")), 5)
    with pytest.raises(NotReady, match="certificate"):
        require_redis(replace(known, ca=None), 5)
    with pytest.raises(NotReady):
        require_redis(known.url.replace("rediss", "redis"), 5)
    by_name = replace(known, url=known.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(NotReady, match="certificate"):
        require_redis(by_name, 5)


def test_an_access_list_holds_no_password(servers: SecuredServers) -> None:
    secrets = {user: servers.secrets[user] for user in USERS}
    assert not any(secret in access_list(secrets) for secret in secrets.values())


def test_passwords_are_made_once_and_for_the_owner(tmp_path: Path) -> None:
    folder = tmp_path / "passwords"
    made = passwords(folder)
    assert passwords(folder) == made
    assert len(set(made.values())) == len(USERS)
    assert {file.stat().st_mode & 0o077 for file in folder.iterdir()} == {0}
