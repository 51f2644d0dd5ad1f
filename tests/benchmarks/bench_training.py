"""Rows/s of one process on one core: ``python -m tests.benchmarks.bench_training --help``.

Our trainer and deepctr-torch's DeepFM (Shen, github.com/shenweichen/DeepCTR-Torch) learn the same
samples at equal sizes: 20 fields of 16 dimensions, tower 256-128-64, Adam. ``--learner`` measures
the online learner alone, ``--flink`` the learning job from Kafka on. Of all but the last it is CPU
time of the thread that counts, so a busy machine says the same.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from scipy.special import expit, logit

from online_model.calibration.field_quality import field_ids
from online_model.history import History
from online_model.learning.learner import OnlineLearner
from online_model.network.model import Model
from online_model.network.this_process import prepare_to_learn
from online_model.settings import OnlineModelSettings
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from online_model.training.learning_step import Objective, adam, pass_over
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import ModelPackage
from tests.benchmarks.learning_from_kafka import learnt_per_second

FIELDS, DIM, HIDDEN = 20, 16, (256, 128, 64)
CLICK_RATE, EFFECT = 0.2, 0.2
#: Rows that a package has learnt before a learner goes on from it: of labels that contradict their
#: model the learning job's guard lets none through.
TAUGHT = 100_000
Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


@dataclass(frozen=True, slots=True)
class Work:
    """Values are drawn evenly, or from a Zipf-like law, as ids of advertising are."""

    values: int
    rows: int
    batch: int
    evenly: bool

    @property
    def spec(self) -> FeatureSpec:
        """Half of the fields are the user's."""
        return FeatureSpec.model_validate(
            {
                "name": "bench",
                "embedding_dim": DIM,
                "features": [
                    {
                        "kind": "categorical",
                        "name": f"f{field}",
                        "side": "user" if field < FIELDS // 2 else "ad",
                        "source": f"f{field}",
                        "buckets": self.values,
                    }
                    for field in range(FIELDS)
                ],
            }
        )

    def history(self) -> History:
        """``rows`` samples. Each value has an effect."""
        random = np.random.default_rng(0)
        layout = Layout.of(self.spec)
        drawn = random.random((self.rows, FIELDS))
        ids = (self.values * drawn if self.evenly else self.values**drawn - 1).astype(np.int64)
        samples = np.zeros(self.rows, layout.dtype)
        offsets = np.array(list(layout.offsets.values()))
        samples["request_ids"] = (ids + offsets)[:, : FIELDS // 2]
        samples["ad_ids"] = (ids + offsets)[:, FIELDS // 2 :]
        effects = random.normal(0.0, EFFECT, layout.rows)
        scores = effects[ids + offsets].sum(axis=1) + logit(CLICK_RATE)
        labels = (random.random(self.rows) < expit(scores)).astype(np.float32)
        return History(samples, labels, np.ones(self.rows, np.float32))

    def settings(self, precision: Precision) -> OnlineModelSettings:
        """Of our models."""
        return OnlineModelSettings(
            towers=1, hidden=HIDDEN, batch_size=self.batch, tower_precision=precision
        )

    def model(self, settings: OnlineModelSettings) -> Model:
        """One of ours, before training."""
        return Model.new(self.spec, "deepfm", self.history().samples[:1000], CLICK_RATE, settings)


def ours(work: Work, precision: Precision) -> float:
    """Rows/s of a pass over history, from encoded samples on."""
    settings = work.settings(precision)
    model, history = work.model(settings), work.history()
    objective = Objective(Calibration(), "vanilla", 0.0)
    dense = adam(model, settings)
    warm, rest = history.part(0, 2 * work.batch), history.part(2 * work.batch, len(history))
    pass_over(model, warm, objective, settings, dense, lambda rows: None)
    return _rate(
        len(rest), lambda: pass_over(model, rest, objective, settings, dense, lambda rows: None)
    )


def learner(work: Work, precision: Precision) -> float:
    """Samples/s of the online learner, which moves rows only."""
    settings = work.settings(precision)
    package, history = taught(work, settings)
    online = OnlineLearner.from_package(package, work.spec, settings)
    kinds = np.where(history.labels > 0.5, "POSITIVE", "NEGATIVE")

    def learn(start: int, end: int) -> None:
        for at in range(start, end, work.batch):
            part = slice(at, min(at + work.batch, end))
            online.learn(
                history.samples[part],
                history.labels[part],
                kinds[part],
                history.weights[part],
                np.ones(part.stop - part.start, np.int64),
            )

    learn(0, 2 * work.batch)
    return _rate(len(history) - 2 * work.batch, lambda: learn(2 * work.batch, len(history)))


def taught(work: Work, settings: OnlineModelSettings) -> tuple[ModelPackage, History]:
    """A model that knows the law behind ``rows`` more samples, and these."""
    history = replace(work, rows=TAUGHT + work.rows).history()
    model = work.model(settings)
    objective, dense = Objective(Calibration(), "vanilla", 0.0), adam(model, settings)
    pass_over(model, history.part(0, TAUGHT), objective, settings, dense, lambda rows: None)
    share = LateClicks.assumed(0.1, model.shape.rows)
    origin = Origin("bench", "v1", created_ms=0)
    package = export(model, Calibration(), share, origin, history.samples[:100])
    return package, history.part(TAUGHT, len(history))


def through_flink(work: Work, precision: Precision) -> dict[str, Any]:
    """Samples/s of the learning job."""
    settings = work.settings(precision)
    package, history = taught(work, settings)
    return learnt_per_second(
        work.spec,
        package,
        history,
        {
            "CTR_ONLINE_MODEL_HIDDEN": json.dumps(settings.hidden),
            "CTR_ONLINE_MODEL_BATCH_SIZE": str(settings.batch_size),
            "CTR_ONLINE_MODEL_TOWER_PRECISION": settings.tower_precision,
        },
    )


def theirs(work: Work, steps: int) -> float:
    """Rows/s of their model's own step on batches that are ready; their loader is left out."""
    from deepctr_torch.inputs import SparseFeat
    from deepctr_torch.models import DeepFM

    columns = [SparseFeat(f"f{i}", work.values, embedding_dim=DIM) for i in range(FIELDS)]
    model = DeepFM(columns, columns, dnn_hidden_units=HIDDEN, l2_reg_linear=0, l2_reg_embedding=0)
    model.compile("adam", "binary_crossentropy")
    history = work.history().part(0, (steps + 1) * work.batch)
    offsets = np.array(list(Layout.of(work.spec).offsets.values()))
    ids = field_ids(history.samples)
    inputs = torch.from_numpy((ids - offsets).astype(np.float32))
    labels = torch.from_numpy(history.labels)

    def step(at: int) -> None:
        part = slice(at, at + work.batch)
        model.optim.zero_grad()
        loss = model.loss_func(model(inputs[part]).squeeze(-1), labels[part], reduction="sum")
        loss.backward()
        model.optim.step()

    step(0)

    def train() -> None:
        for at in range(work.batch, len(history), work.batch):
            step(at)

    return _rate(steps * work.batch, train)


def _rate(rows: int, work: Callable[[], Any]) -> float:
    start = time.thread_time()
    work()
    return rows / (time.thread_time() - start)


def main(
    values: Annotated[tuple[int, int], typer.Option(help="of each field")] = (50_000, 500_000),
    rows: Annotated[int, typer.Option(help="that ours learns")] = 200_000,
    batch: Annotated[int, typer.Option(help="rows of a step")] = 2048,
    their_steps: Annotated[int, typer.Option(help="steps of theirs; 0 leaves it out")] = 20,
    evenly: Annotated[
        bool, typer.Option(help="all values alike: each batch meets new rows")
    ] = False,
    only_learner: Annotated[
        bool, typer.Option("--learner", help="the online learner only")
    ] = False,
    flink: Annotated[
        bool, typer.Option("--flink", help="the learning job only, from Kafka to Redis")
    ] = False,
) -> None:
    """Print rows/s of each, one JSON object a line."""
    prepare_to_learn(1)
    if flink:
        for precision in PRECISIONS:
            rates = through_flink(Work(values[0], rows, batch, evenly), precision)
            print(json.dumps({"what": "flink", "precision": precision, **rates}), flush=True)
        return
    for count in values:
        work = Work(count, rows, batch, evenly)
        for precision in PRECISIONS:
            rate = learner(work, precision) if only_learner else ours(work, precision)
            _tell("learner" if only_learner else "ours", precision, count, rate)
        if not only_learner and their_steps:
            _tell("deepctr-torch", "fp32", count, theirs(work, their_steps))


def _tell(what: str, precision: str, values: int, rate: float) -> None:
    print(
        json.dumps({"what": what, "precision": precision, "values": values, "rows_s": round(rate)}),
        flush=True,
    )


if __name__ == "__main__":
    typer.run(main)
