"""Publishing to a real Redis: readers see all of a version or nothing of it; old ones go."""

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import redis

from bootstrap.publisher import UNFINISHED_SECONDS, Publisher, PublishError
from bootstrap.publishing import GateError, publish_through_gate
from bootstrap.settings import BootstrapSettings
from schemas import redis_keys
from schemas.model_package import CHUNK_BYTES, Manifest, ModelPackage, fetch, file_entries
from stores.model_versions import VersionError


def package(version: str, model: str = "m", size_bytes: int = 10) -> ModelPackage:
    files = {"table": version.encode() * size_bytes, "empty": b""}
    manifest = Manifest(
        model=model,
        version=version,
        created_ms=1,
        feature_fingerprint="f",
        files=file_entries(files),
    )
    return ModelPackage.checked(manifest, files)


@pytest.fixture
def publisher(client: redis.Redis) -> Publisher:
    return Publisher(client, "m", keep_versions=3)


@pytest.fixture
def limited(client: redis.Redis, redis_url: str) -> Iterator[redis.Redis]:
    """A connection that may write files but not list versions: it fails half-way."""
    client.acl_setuser(
        "limited", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-zadd"]
    )
    with redis.Redis.from_url(redis_url, username="limited", password="") as connection:
        yield connection
    client.acl_deluser("limited")


def keys_of(client: redis.Redis, version: str) -> list[bytes]:
    return sorted(client.scan_iter(f"*:{version}*"))


def lives(client: Any, keys: Iterable[bytes]) -> set[int]:
    """Seconds that keys have to live; −1: for ever."""
    return {int(client.ttl(key)) for key in keys}


def read(client: Any, version: str) -> ModelPackage:
    return fetch("m", version, client.mget)


def test_nothing_is_published_at_first(publisher: Publisher) -> None:
    assert publisher.current() is None
    assert publisher.versions() == []


def test_what_is_published_is_read_back(client: redis.Redis, publisher: Publisher) -> None:
    large = package("v1", size_bytes=CHUNK_BYTES)
    publisher.publish(large, now_ms=7)
    assert read(client, "v1") == large
    assert publisher.current() == "v1"
    (only,) = publisher.versions()
    assert (only.version, only.current, only.published_ms) == ("v1", True, 7)
    assert only.manifest == large.manifest
    assert lives(client, client.scan_iter("*")) == {-1}, "nothing expires"


def test_versions_are_listed_oldest_first(publisher: Publisher) -> None:
    for now_ms, version in enumerate(("v1", "v9", "v5")):
        publisher.publish(package(version), now_ms)
    listed = [(item.version, item.current) for item in publisher.versions()]
    assert listed == [("v1", False), ("v9", False), ("v5", True)]


def test_versions_beyond_the_kept_ones_leave_nothing(
    client: redis.Redis, publisher: Publisher
) -> None:
    publisher.publish(package("v1", size_bytes=CHUNK_BYTES), 1)
    client.xadd(redis_keys.model_deltas("m", "v1"), {"rows": "x"})
    client.hset(redis_keys.model_rows("m", "v1"), "row", "x")
    for number in range(2, 6):
        publisher.publish(package(f"v{number}"), number)
    assert [item.version for item in publisher.versions()] == ["v3", "v4", "v5"]
    assert keys_of(client, "v1") == keys_of(client, "v2") == []
    assert read(client, "v3") == package("v3")


def test_the_current_version_stays_whatever_the_clock_says(
    client: redis.Redis,
) -> None:
    publisher = Publisher(client, "m", keep_versions=1)
    publisher.publish(package("late"), now_ms=2000)
    publisher.publish(package("early"), now_ms=1000)
    assert publisher.current() == "early"
    assert read(client, "early") == package("early")


def test_models_do_not_meet(client: redis.Redis, publisher: Publisher) -> None:
    publisher.publish(package("v1"), 1)
    other = Publisher(client, "other", keep_versions=1)
    assert other.current() is None
    for number in (1, 2):
        other.publish(package(f"v{number}", "other"), number)
    assert publisher.current() == "v1"
    assert read(client, "v1") == package("v1")


def test_a_version_is_published_once(publisher: Publisher) -> None:
    publisher.publish(package("v1"), 1)
    with pytest.raises(PublishError, match=r"^m v1 is published already$"):
        publisher.publish(package("v1"), 2)


def test_a_package_of_another_model_is_refused(publisher: Publisher) -> None:
    with pytest.raises(PublishError, match=r"^package v1 is of model other$"):
        publisher.publish(package("v1", "other"), 1)
    assert publisher.versions() == []


def test_a_lost_manifest_is_told(client: redis.Redis, publisher: Publisher) -> None:
    publisher.publish(package("v1"), 1)
    client.delete(redis_keys.model_manifest("m", "v1"))
    (only,) = publisher.versions()
    assert only.manifest is None


def test_the_newest_full_version_outlives_snapshots(publisher: Publisher) -> None:
    for number in (1, 2):
        publisher.publish(package(f"full{number}"), number)
    for number in range(3, 8):
        made = package(f"dense{number}")
        snapshot = made.manifest.model_copy(update={"kind": "DENSE"})
        publisher.publish(ModelPackage.checked(snapshot, made.files), number)
    kept = [item.version for item in publisher.versions()]
    assert kept == ["full2", "dense5", "dense6", "dense7"]


def test_a_roll_back_says_why_until_the_version_is_served_again(publisher: Publisher) -> None:
    for number in (1, 2, 3):
        publisher.publish(package(f"v{number}"), number)
    assert publisher.roll_back("pcoc 3.1", now_ms=9) == "v2"
    assert publisher.current() == "v2"
    assert [item.withdrawn for item in publisher.versions()] == [None, None, "pcoc 3.1"]
    assert publisher.roll_back("slow", now_ms=10) == "v1"
    with pytest.raises(
        VersionError, match=r"^m cannot be rolled back: no other good version is kept$"
    ):
        publisher.roll_back("worse", now_ms=11)
    assert publisher.roll_back("by hand", now_ms=12, to="v3") == "v3"
    assert [item.withdrawn for item in publisher.versions()] == ["by hand", "slow", None]


def test_a_withdrawn_version_is_passed_over(client: Any, publisher: Publisher) -> None:
    for number in (1, 2):
        publisher.publish(package(f"v{number}"), number)
    publisher.roll_back("bad", now_ms=3)
    publisher.publish(package("v3"), 4)
    assert publisher.roll_back("bad, too", now_ms=5) == "v1", "v2 was bad"
    publisher.publish(package("v4"), 6)
    publisher.publish(package("v5"), 7)
    assert [item.version for item in publisher.versions()] == ["v3", "v4", "v5"]
    assert client.hkeys(redis_keys.model_withdrawn("m")) == [b"v3"], "gone with the version"


def test_what_cannot_be_served_is_not_rolled_back_to(publisher: Publisher) -> None:
    with pytest.raises(VersionError, match=r"^no version of m is current$"):
        publisher.roll_back("?", 1)
    publisher.publish(package("v1"), 1)
    publisher.publish(package("v2"), 2)
    for to in ("v9", "v2"):
        with pytest.raises(VersionError, match=f"cannot be rolled back to {to}: kept are v1"):
            publisher.roll_back("?", 3, to=to)


def test_what_fails_half_way_is_not_seen_and_expires(
    client: redis.Redis, publisher: Publisher, limited: redis.Redis
) -> None:
    publisher.publish(package("v1"), 1)
    with pytest.raises(redis.RedisError):
        Publisher(limited, "m", 3).publish(package("v2"), 2)
    assert publisher.current() == "v1"
    assert [item.version for item in publisher.versions()] == ["v1"]
    left = keys_of(client, "v2")
    assert left, "files were written"
    assert all(0 < life <= UNFINISHED_SECONDS for life in lives(client, left))
    publisher.publish(package("v2"), 3)
    assert lives(client, keys_of(client, "v2")) == {-1}


def test_whatever_is_current_can_be_read(client: redis.Redis, redis_url: str) -> None:
    """A reader that follows ``current`` all the time never meets half a version."""
    publisher = Publisher(client, "m", keep_versions=10)
    seen: list[str] = []
    faults: list[Exception] = []
    ended = threading.Event()

    def follow() -> None:
        with redis.Redis.from_url(redis_url) as reader:
            while not ended.is_set():
                version = reader.get(redis_keys.model_current("m"))
                if isinstance(version, bytes):
                    try:
                        seen.append(read(reader, version.decode()).manifest.version)
                    except Exception as error:
                        faults.append(error)

    reader = threading.Thread(target=follow)
    reader.start()
    try:
        for number in range(10):
            publisher.publish(package(f"v{number}", size_bytes=1_000_000), number)
    finally:
        ended.set()
        reader.join()
    assert faults == []
    assert seen == sorted(seen)
    assert seen


def test_a_roll_back_of_a_version_that_is_no_longer_current_is_refused(
    publisher: Publisher,
) -> None:
    for number in (1, 2, 3):
        publisher.publish(package(f"v{number}"), number)
    with pytest.raises(VersionError, match="v3 is current by now, not v2"):
        publisher.roll_back("pcoc 3.1", now_ms=9, expected="v2")
    assert publisher.current() == "v3"
    assert publisher.roll_back("pcoc 3.1", now_ms=9, expected="v3") == "v2"


def test_back_goes_only_to_what_was_made_for_the_same_features(publisher: Publisher) -> None:
    """Scorers would refuse another and go on with the bad one; who names it knows better."""
    other = package("v1")
    change = {"feature_fingerprint": "other"}
    publisher.publish(ModelPackage(other.manifest.model_copy(update=change), other.files), 1)
    publisher.publish(package("v2"), 2)
    with pytest.raises(VersionError, match="v1: made for features other, this process has f"):
        publisher.roll_back("bad", 3)
    assert publisher.current() == "v2"
    assert publisher.roll_back("features, too", 4, to="v1") == "v1"


def test_what_became_current_meanwhile_is_not_replaced(publisher: Publisher) -> None:
    """Neither before the package is written nor within the transaction."""
    publisher.publish(package("v1"), 1)
    publisher.publish(package("v2"), 2, expected="v1")
    with pytest.raises(VersionError, match="m: v2 is current by now, not v1"):
        publisher.publish(package("v3"), 3, expected="v1")

    def race() -> None:
        with publisher.switching("v2") as switch:
            publisher.roll_back("slow", now_ms=4)
            switch.set(redis_keys.model_current("m"), "v3")

    with pytest.raises(VersionError, match="another version than v2 became current just now"):
        race()
    assert publisher.current() == "v1"


def test_a_snapshot_of_what_is_no_longer_served_is_refused(publisher: Publisher) -> None:
    for number in (1, 2):
        publisher.publish(package(f"v{number}"), number)
    made = package("v3")
    change = {"kind": "DENSE", "parent": "v1", "metrics": {"clicks": 0.0}}
    snapshot = ModelPackage.checked(made.manifest.model_copy(update=change), made.files)
    with pytest.raises(GateError, match="goes on from v1, and v2 is served now"):
        publish_through_gate(publisher, snapshot, BootstrapSettings(), 3)
    assert publisher.current() == "v2"
