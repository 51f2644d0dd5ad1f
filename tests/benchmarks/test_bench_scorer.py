"""What the scorer's benchmark takes for true is what the engine's own code says."""

import gc
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from deploy.local.ports import free_ports
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.records import Ad
from schemas.redis_values import UserRow, split_version
from tests.benchmarks.bench_ranking import Bench
from tests.benchmarks.bench_scorer.fill import counter_row
from tests.benchmarks.bench_scorer.model import BenchModel
from tests.benchmarks.bench_scorer.onnx_alone import OnnxAlone
from tests.benchmarks.bench_scorer.open_loop import OpenLoop
from tests.benchmarks.bench_scorer.plain_path import PlainPath
from tests.benchmarks.bench_scorer.ranking_race import RankingRace
from tests.benchmarks.bench_scorer.shifted_clock import ShiftedClock
from tests.benchmarks.bench_scorer.truth import Truth
from tests.benchmarks.bench_scorer.world import World, declaration, user_attributes

ADS = 300


def test_ours_ranks_as_the_plain_way_does(tmp_path: Path) -> None:
    bench = Bench(4_000, 3, 8, tmp_path)
    cases = [bench.next_request() for _ in range(40)]
    agreement = RankingRace(bench.served, bench.arrays, bench.plain, cases).agreement()
    assert agreement["same_top_10"] > 0.98
    assert agreement["apart"] < 1e-4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    path = tmp_path_factory.mktemp("world") / "features.yaml"
    path.write_text(declaration(ADS))
    return World.of(FeatureSpec.load(str(path)), ADS, seed=3)


def test_stored_ads_are_what_the_record_encodes_to(world: World) -> None:
    for number, (ad_id, value) in enumerate(world.values(0, ADS)):
        version, body = split_version(value)
        assert Ad.decode(body) == world.ad(number)
        assert (ad_id.decode(), version) == (world.ad(number).ad_id, world.ad(number).ts)


def test_the_exact_best_are_the_best_of_all_samples(world: World) -> None:
    model, encoder = BenchModel.of(world.spec, 3), Encoder(world.spec)
    user = UserRow("u7", user_attributes(7), ["a1", "a2"])
    request = encoder.request(user, {"hour": "3"})
    ads = [encoder.ad(f"a{n}", world.attributes(n), {"ad": counter_row(n)}) for n in range(ADS)]
    samples = model.layout.unpack(b"".join(request.tobytes() + ad.tobytes() for ad in ads))
    truth, plain = Truth(world, model), PlainPath(model)
    logits = plain.numpy_onnx(samples)
    np.testing.assert_allclose(plain.torch_eager(samples), logits, rtol=1e-4)
    np.testing.assert_allclose(OnnxAlone(model).logits(samples), logits, rtol=1e-4)
    np.testing.assert_allclose(
        truth.ctrs(samples), model.calibration.probabilities(logits), rtol=1e-4
    )
    _, by_model = truth.best(request, retrieved=50, ranked=10, full=1)
    assert by_model == [set(np.argsort(-logits)[:10].tolist())]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler")
def test_a_shifted_clock_jumps_and_only_the_wall_clock_does(tmp_path: Path) -> None:
    clock = ShiftedClock.build(tmp_path)
    script = "import time\nwhile input(): print(time.time(), time.monotonic(), flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **clock.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for ahead in (0, 3_600, 0):
            clock.jump_to(ahead)
            process.stdin.write("next\n")
            process.stdin.flush()
            wall, monotonic = map(float, process.stdout.readline().split())
            assert wall - time.time() == pytest.approx(ahead, abs=60)
            assert monotonic == pytest.approx(time.monotonic(), abs=60)
        process.stdin.write("\n")


def test_what_exists_is_not_looked_through_while_requests_are_sent() -> None:
    world: list[object] = []

    def looked_through() -> bool:
        return any(found is world for found in gc.get_objects())

    (port,) = free_ports(1)
    with OpenLoop(port, [{"request_id": "nobody listens"}], rate=100):
        assert not looked_through()
    assert looked_through()
