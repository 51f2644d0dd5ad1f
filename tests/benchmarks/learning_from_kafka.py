"""The learning job at full speed: samples that wait in Kafka, through Flink, to deltas in Redis.

Kafka, Redis, Flink's JVM and the learner share the machine, so it tells CPU seconds, too.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import redis
import yaml
from confluent_kafka import Producer

from bootstrap.publisher import Publisher
from deploy.local.kafka_broker import kafka_part
from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import redis_part
from deploy.local.supervisor import Supervisor
from online_model.history import History
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage
from schemas.records import TrainingSample
from schemas.topics import TRAINING_SAMPLES
from tests.benchmarks.process_tree import cpu_seconds

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.2
#: Nothing new for so long: the job hangs.
MOST_QUIET_SECONDS = 90.0
FIRST_MS = 1_700_000_000_000


def learnt_per_second(
    spec: FeatureSpec, package: ModelPackage, history: History, learner: Mapping[str, str]
) -> dict[str, Any]:
    """From a tenth of the samples to 95 %; ``learner`` are its settings as variables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kafka_port, controller_port, redis_port, *job_ports = free_ports(6)
        kafka, url = f"{HOST}:{kafka_port}", f"redis://{HOST}:{redis_port}/0"
        broker = kafka_part(
            folder=folder / "kafka",
            jars=ROOT / ".build" / "kafka",
            port=kafka_port,
            controller_port=controller_port,
            heap_mb=384,
            partitions=2,
        )
        store = redis_part(folder=folder / "redis", port=redis_port, maxmemory_mb=4_096)
        features = folder / "bench.yaml"
        features.write_text(yaml.safe_dump(json.loads(spec.model_dump_json())))
        with Supervisor(folder, environment=os.environ, cwd=ROOT) as supervisor:
            supervisor.start([broker, store])
            with redis.Redis.from_url(url) as client:
                Publisher(client, package.manifest.model, 2).publish(package, FIRST_MS)
                send(kafka, spec, history)
                names = ("REST_PORT", "METRICS_PORT", "FLINK_METRICS_PORT")
                environment = {
                    **{n: v for n, v in os.environ.items() if not n.startswith("CTR_")},
                    **dict(learner),
                    "CTR_KAFKA_BOOTSTRAP": kafka,
                    "CTR_REDIS_URL": url,
                    "CTR_FEATURES": str(features),
                    "CTR_MODEL": package.manifest.model,
                    "CTR_STREAMING_LABEL_WAIT_MS": "0",
                    "CTR_STREAMING_DATA": str(folder / "flink"),
                    **{
                        f"CTR_STREAMING_{n}_LEARNING": str(port)
                        for n, port in zip(names, job_ports, strict=True)
                    },
                }
                with (folder / "job.log").open("wb") as log:
                    command = [sys.executable, "-m", "streaming", "learning"]
                    job = subprocess.Popen(
                        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
                    )
                try:
                    looks = list(_watched(job, client, package.manifest.model, len(history)))
                except TimeoutError as error:
                    told = (folder / "job.log").read_text()[-3000:]
                    raise SystemExit(f"{error}\n{told}") from None
                finally:
                    job.terminate()
                    job.wait(60)
    return _rates(looks, len(history))


def send(kafka: str, spec: FeatureSpec, history: History) -> None:
    """Each sample a millisecond after the one before, in two partitions by turns."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 50, "compression.type": "lz4"})
    for number, (sample, label) in enumerate(zip(history.samples, history.labels, strict=True)):
        ts = FIRST_MS + number
        record = TrainingSample(
            kind="POSITIVE" if label else "NEGATIVE",
            request_id=f"r{number}",
            ad_id="a",
            user_id="u",
            ts=ts,
            position=1,
            price=0,
            variant="deepfm",
            model_version="v1",
            predicted_ctr=0.2,
            propensity=1.0,
            feature_fingerprint=spec.fingerprint,
            inputs=sample.tobytes(),
            label=int(label),
            label_ts=ts,
            click_ts=ts if label else None,
            sample_weight=1.0,
        )
        while True:
            try:
                producer.produce(
                    TRAINING_SAMPLES.name,
                    record.encode(),
                    record.request_id.encode(),
                    partition=number % 2,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(60):
        raise SystemExit("Kafka did not take all samples")


def _watched(
    job: subprocess.Popen[bytes], client: redis.Redis, model: str, rows: int
) -> Iterator[tuple[float, float, int]]:
    """(time, CPU seconds of the job, samples learnt) until 95 % are; TimeoutError."""
    versions = Publisher(client, model, 2)
    seen, changed = 0, time.monotonic()
    while seen < 0.95 * rows:
        status = versions.learner()
        total = 0 if status is None else sum(status.seen.values())
        if total != seen:
            seen, changed = total, time.monotonic()
            yield changed, cpu_seconds(job.pid), seen
        elif job.poll() is not None or time.monotonic() - changed > MOST_QUIET_SECONDS:
            raise TimeoutError(f"the learning job stands still at {seen} of {rows}")
        time.sleep(POLL_SECONDS)


def _rates(looks: list[tuple[float, float, int]], rows: int) -> dict[str, Any]:
    middle = [look for look in looks if look[2] >= 0.1 * rows]
    (began, cpu_began, first), (ended, cpu_ended, last) = middle[0], middle[-1]
    if last == first:
        raise SystemExit("too quick to be measured, take more rows")
    return {
        "samples": last - first,
        "samples_s": round((last - first) / (ended - began)),
        "samples_cpu_s": round((last - first) / (cpu_ended - cpu_began)),
        "cores": round((cpu_ended - cpu_began) / (ended - began), 2),
    }
