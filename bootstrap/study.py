"""What each part of the model brings: the default settings, and variants with one thing changed.

Selection happens inside the training rows: they are cut into folds of consecutive rows, each fold
is predicted by a model of the others, and the last one by a model of its past only. What a feature
brings is seen by another declaration: ``CTR_FEATURES=criteo`` leaves out click rates.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bootstrap.encoded_log import EncodedLog
from online_model.history import History
from online_model.network.model import Architecture
from online_model.quality import quality
from online_model.settings import OnlineModelSettings
from online_model.training.trainer import train
from schemas.features import FeatureSpec


@dataclass(frozen=True, slots=True)
class Variant:
    """``changes`` are settings by name."""

    name: str
    changes: dict[str, Any]
    architecture: Architecture = "deepfm"


VARIANTS = (
    Variant("as served", {}),
    Variant("the regression", {}, "lr"),
    Variant("the regression as a stream learns: one pass", {"regression_passes": 1}, "lr"),
    Variant("weights of the last step", {"averaging": False}),
    Variant("two passes, weights of the last step", {"passes": 2, "averaging": False}),
    Variant("two passes", {"passes": 2}),
    Variant("four passes", {"passes": 4}),
    Variant("half the tower", {"hidden": (32, 16)}),
    Variant("four towers", {"towers": 4}),
    Variant("first-order weights with half the prior precision", {"first_order_prior": 1.0}),
    Variant("first-order weights with twice the prior precision", {"first_order_prior": 4.0}),
    Variant("embeddings with half the prior precision", {"embedding_prior": 0.07}),
    Variant("embeddings with twice the prior precision", {"embedding_prior": 0.3}),
    Variant("batches of 1,000", {"batch_size": 1000}),
)


@dataclass(frozen=True, slots=True)
class Study:
    """Of the rows of one log. ``seeds`` are trained for each fold."""

    spec: FeatureSpec
    settings: OnlineModelSettings
    later_share: float
    folds: int
    seeds: int

    def run(
        self, log: EncodedLog, progress: Callable[[int], None] = lambda models: None
    ) -> Iterator[dict[str, Any]]:
        """A row for each variant: means over folds and seeds, and of the last fold alone.

        ``progress`` is told of each model. Raises HistoryError.
        """
        for variant in VARIANTS:
            measured = np.array(
                [
                    self._measured(log, variant, fold, seed, progress)
                    for fold in range(self.folds)
                    for seed in range(self.seeds)
                ]
            )
            means, last = measured.mean(axis=0), measured[-self.seeds :].mean(axis=0)
            yield {
                "variant": variant.name,
                **{name: round(float(v), 5) for name, v in zip(_NAMES, means, strict=True)},
                **{f"last_{n}": round(float(v), 5) for n, v in zip(_NAMES, last, strict=True)},
            }

    def _measured(
        self,
        log: EncodedLog,
        variant: Variant,
        fold: int,
        seed: int,
        progress: Callable[[int], None],
    ) -> list[float]:
        history = log.history(self.spec)
        bounds = np.linspace(0, len(log), self.folds + 1).astype(int)
        test = np.zeros(len(log), np.bool_)
        test[bounds[fold] : bounds[fold + 1]] = True
        rest = History(history.samples[~test], history.labels[~test], history.weights[~test])
        settings = self.settings.model_copy(update={**variant.changes, "seed": seed})
        trained = train(self.spec, variant.architecture, rest, settings, self.later_share)
        logits = trained.model.logits(history.samples[test])
        outcome = quality(history.labels[test], trained.calibration.probabilities(logits))
        progress(1)
        return [outcome.auc or float("nan"), outcome.log_loss, outcome.ece]


_NAMES = ("auc", "logloss", "ece")
