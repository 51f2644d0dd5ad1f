"""Labelled samples, and sending them to a topic."""

from confluent_kafka import Producer

from bootstrap.sample_topic import SampleTopic
from schemas.records import TrainingSample
from stores.kafka_client import client_settings


def sample(version: str, p: float, label: int, kind: str = "", number: int = 0) -> TrainingSample:
    return TrainingSample(
        kind=kind or ("POSITIVE" if label else "NEGATIVE"),
        request_id=f"r{number}",
        ad_id="a",
        user_id="u",
        ts=1,
        position=1,
        price=1,
        variant="deepfm",
        model_version=version,
        predicted_ctr=p,
        propensity=1.0,
        feature_fingerprint="f",
        inputs=b"",
        label=label,
        label_ts=2,
        click_ts=None,
        sample_weight=1.0,
    )


def sent(topic: SampleTopic, samples: list[TrainingSample], partitions: int = 2) -> None:
    producer = Producer(client_settings(topic.kafka))
    for number, item in enumerate(samples):
        producer.produce(topic.topic, item.encode(), partition=number % partitions)
    producer.produce(topic.topic, b"no sample", partition=0)
    assert producer.flush(20) == 0
