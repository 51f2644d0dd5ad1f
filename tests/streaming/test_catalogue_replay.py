"""The compacted topics once more, from a real Kafka into a real Redis."""

import time
import uuid
from typing import Any

import redis
from confluent_kafka import Producer

from schemas import redis_keys, topics
from schemas.records import Ad
from streaming.redis_sink.catalogue_replay import CatalogueReplay
from streaming.redis_sink.catalogue_writer import CatalogueWriter
from streaming.redis_sink.pipeline import RedisPipeline
from tests.streaming.jobs.producers_ahead import AD_ID, NO_ID, registry, wire_format

TS = 1_700_000_000_000
FAR_MS = 10 * 365 * 86_400_000


def test_what_the_job_refuses_does_not_end_it(kafka_bootstrap: str, redis_url: str) -> None:
    """Nor is it written: times before 2000 and to come, other ids, long keys, no Avro, no
    schema in the registry."""
    run = uuid.uuid4().hex
    good, early, future, other, broken, wire, unknown = (
        f"{name}-{run}"
        for name in ("good", "early", "future", "other", "broken", "wire", "unknown")
    )
    long = run + "x" * 0x10000
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    now_ms = int(time.time() * 1000)
    for key, value in (
        (early, Ad(early, -5, "ACTIVE", 1).encode()),
        (future, Ad(future, now_ms + FAR_MS, "ACTIVE", 1).encode()),
        (other, Ad(good, TS, "ACTIVE", 9).encode()),
        (long, None),
        (broken, b"no avro"),
        (good, Ad(good, TS, "ACTIVE", 1).encode()),
        (wire, wire_format(AD_ID, Ad(wire, TS, "ACTIVE", 3))),
        (unknown, b"\0" + NO_ID.to_bytes(4, "big") + b"body"),
    ):
        producer.produce(topics.ADS.name, key=key, value=value)
    assert producer.flush(20) == 0
    writer = CatalogueWriter(RedisPipeline(redis_url))
    with registry() as registry_url:
        replay = CatalogueReplay(kafka_bootstrap, 60, writer, registry_url)
        replay.open()
        deadline = time.monotonic() + 60
        while not replay.step(0.5):
            assert time.monotonic() < deadline
        replay.close()
    with redis.Redis.from_url(redis_url) as client:
        written: list[Any] = [
            client.hget(redis_keys.ads(redis_keys.shard(ad)), ad)
            for ad in (good, wire, early, future, other, broken, unknown, long)
        ]
    assert Ad.decode(written[0][8:]) == Ad(good, TS, "ACTIVE", 1)
    assert Ad.decode(written[1][8:]) == Ad(wire, TS, "ACTIVE", 3)
    assert written[2:] == [None] * 6
