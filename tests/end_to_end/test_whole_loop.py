"""The demo's own code on a small world, through real Kafka, Flink, Redis and gRPC."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from rich.console import Console

from deploy.demo.profiles import profile
from deploy.demo.report import Report
from deploy.demo.run import Demo
from deploy.demo.screen import Screen
from deploy.demo.settings import DemoSettings
from deploy.local.ports import HOST

ROOT = Path(__file__).resolve().parents[2]


class Loop:
    """What was seen while the stack was up."""

    report: Report
    status: dict[str, Any]
    answer: dict[str, Any]
    output: str


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    settings = DemoSettings(
        data=tmp_path_factory.mktemp("demo"), seconds=25.0, history_rows=8_000, line_seconds=5.0
    )
    # Too short a play to tell learning from chance; the demo itself judges that.
    small = replace(profile("world", settings, None), learnable=False)
    output = StringIO()
    demo = Demo(small, settings, Screen(Console(file=output), 5.0), kill_learner_after=1_500)
    seen = Loop()
    seen.report = demo.report
    with demo.stack, demo.reading() as reader:
        seen.status = _status(settings.data)
        demo.finish(reader)
        seen.answer = _rank_by_reflection(f"{HOST}:{demo.local.scorer_port}")
        seen.output = output.getvalue()
    return seen


def _status(data: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "status", "--json"],
        env={**os.environ, "CTR_LOCAL_DATA": str(data)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    state: dict[str, Any] = json.loads(done.stdout)
    return state


def _rank_by_reflection(address: str) -> dict[str, Any]:
    """A call by a client that knows nothing but the address, as grpcurl makes it."""
    with grpc.insecure_channel(address) as channel:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName("ctr.v1.Scorer").FindMethodByName("Rank")
        request_class = message_factory.GetMessageClass(method.input_type)
        answer_class = message_factory.GetMessageClass(method.output_type)
        request = request_class(request_id="r1", user_id="u1", limit=3)
        call = channel.unary_unary(
            "/ctr.v1.Scorer/Rank",
            request_serializer=request_class.SerializeToString,
            response_deserializer=answer_class.FromString,
        )
        answer: dict[str, Any] = json_format.MessageToDict(call(request, timeout=5))
        return answer


def test_nothing_failed(loop: Loop) -> None:
    assert loop.report.failures == [], loop.output


def test_every_impression_and_click_is_accounted_for(loop: Loop) -> None:
    accounts = loop.report.accounts
    assert accounts is not None
    assert accounts.faults == []
    assert accounts.impressions_sent == accounts.positives + accounts.negatives > 1_000
    assert accounts.clicks_sent == accounts.clicks_matched > 0
    assert accounts.samples_learnt == accounts.samples


def test_the_killed_learner_came_back(loop: Loop) -> None:
    assert loop.report.kill is not None
    assert loop.report.kill.back_after_seconds is not None


def test_clicks_reached_counters_and_scores(loop: Loop) -> None:
    sight = loop.report.sight
    assert sight is not None
    for histogram in (sight.click_to_counter, sight.click_to_score):
        assert histogram is not None
        assert histogram.total > 0
    assert sight.rows_applied > 0


def test_status_was_green(loop: Loop) -> None:
    assert loop.status["healthy"] is True
    assert {part["name"] for part in loop.status["parts"]} == {
        "kafka",
        "redis",
        "events",
        "learning",
        "scorer",
    }


def test_a_generic_client_can_rank(loop: Loop) -> None:
    assert len(loop.answer["ads"]) == 3
    assert loop.answer["modelVersion"]
    assert all(0 < ad["ctr"] < 1 and ad["token"] for ad in loop.answer["ads"])
