"""A full retrain from the lake, streaming: passes over all but the last hours, which then validate.

Each process takes its part of every block of rows: together they read the lake in the order of
time, as one alone does. Negatives are down-sampled, which the calibration undoes in closed form:
the model learns and is calibrated on what is left, and the logit of its probability is then shifted
by ln(share kept) (He et al., ADKDD'14). A checkpoint lets a killed retrain go on from where all
processes waited for each other.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bootstrap.held_out import Tested, Validation, joined, thinned, time_order, validation_of
from bootstrap.lake_stream import Block, LakeStream
from online_model.calibration.methods import fit_calibration
from online_model.history import History
from online_model.network.model import Architecture, Model
from online_model.settings import OnlineModelSettings
from online_model.training.history_stream import StreamTrainer
from online_model.training.late_clicks import LateClicks
from online_model.training.peers import Peers
from online_model.training.trainer import HistoryError
from online_model.training.training_checkpoint import CheckpointError, read_checkpoint
from schemas.calibration import Calibration
from stores.lake.folders import Hour, LakeError

FIRST_HOURS, FIRST_ROWS = 16, 4096
#: About how many rows of the validation are kept in memory, to calibrate and to test with.
CALIBRATION_ROWS, TESTED_ROWS = 1_000_000, 200_000


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """``validate_hours`` are the lake's last; hosts join after ``sync_rows`` of each process."""

    validate_hours: int = 24
    sync_rows: int = 1_000
    checkpoint: Path | None = None
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Retrained:
    """``curve`` has rows learnt and the log loss before learning them, in sampled space."""

    model: Model
    calibration: Calibration
    late_clicks: LateClicks
    tested: Tested
    curve: Sequence[tuple[int, float]]
    rows_learnt: int
    watermark_ms: int


@dataclass(slots=True)
class Retrain:
    """Of one process among its peers."""

    stream: LakeStream
    architecture: Architecture
    settings: OnlineModelSettings
    options: RetrainOptions
    peers: Peers
    _saved: float = field(default=0.0, init=False)
    _hours: list[Hour] = field(default_factory=list, init=False)

    def rows(self) -> int:
        """Rows of the lake that will be read, all passes together."""
        train, validate = self._split()
        return self.settings.passes * self.stream.rows(train) + self.stream.rows(validate)

    def run(self, progress: Callable[[int], None] = lambda rows: None) -> Retrained | None:
        """Train; None in all processes but the first.

        Raises LakeError, HistoryError or CheckpointError.
        """
        train, validate = self._split()
        trainer = StreamTrainer.new(
            self.stream.spec,
            self.architecture,
            self._first(train),
            self.settings,
            self.peers,
            self.options.sync_rows,
        )
        self._saved = time.monotonic()
        begin, places = self._resumed(trainer)
        for number in range(begin, self.settings.passes):
            after = places[self.peers.rank]
            parts = self._parts(train, after, progress)
            trainer.learn(parts, partial(self._keep, trainer, number, places))
            places = [None] * self.peers.size
        if begin < self.settings.passes:
            self._keep(trainer, self.settings.passes, places, places, at_once=True)
            self.peers.wait()
        return self._validated(trainer, validate, progress)

    def _split(self) -> tuple[list[Hour], list[Hour]]:
        """Hours of training and of validation: those there were when the retrain began, also
        after a kill, and the same for all processes."""
        hours, last = self._hours, self.options.validate_hours
        if not hours:
            path, hours = self.options.checkpoint, self.stream.hours()
            if path is not None and path.exists():
                _, (_, begun_with, _, _) = read_checkpoint(path)
                hours = [hour for hour in hours if str(hour) <= begun_with]
            self._hours = hours = self.peers.gathered(hours)[0]
        if len(hours) <= last:
            raise LakeError(
                f"lake {self.stream.lake}: has {len(hours)} hours, and the last {last} are to "
                "validate; --validate-hours fewer leaves some to train"
            )
        return hours[:-last], hours[-last:]

    def _first(self, train: Sequence[Hour]) -> History:
        """Rows from all over the training hours, the same in every process."""
        chosen = train[:: max(1, len(train) // FIRST_HOURS)]
        parts: list[History] = []
        for hour in chosen:
            block = self.stream.first_block(hour, FIRST_ROWS)
            if block is not None and len(block):
                parts.append(_history(block))
        labels = [part.labels for part in parts]
        if not parts or not 0 < np.concatenate(labels).sum() < sum(map(len, parts)):
            raise HistoryError(
                f"lake {self.stream.lake}: no clicks of features {self.stream.spec.name} "
                f"{self.stream.spec.fingerprint}, or nothing else"
            )
        return History(
            np.concatenate([part.samples for part in parts]),
            np.concatenate(labels),
            np.concatenate([part.weights for part in parts]),
        )

    def _parts(
        self, hours: Sequence[Hour], after: Any, progress: Callable[[int], None]
    ) -> Iterator[tuple[Any, History]]:
        """Whole batches after those at ``after``, not many more rows than hosts learn alone."""
        done = (-1, -1, -1) if after is None else tuple(after)
        size = self.settings.batch_size
        length = max(1, self.options.sync_rows // size) * size
        skipped = max(0, done[0])
        if after is not None:
            progress(self.stream.rows(hours[:skipped]))
        for place, number, block in self._own_blocks(hours[skipped:], progress):
            history = _history(block)
            for begin in range(0, len(history), length):
                at = (place + skipped, number, begin)
                if at > done:
                    yield at, history.part(begin, begin + length)

    def _own_blocks(
        self, hours: Sequence[Hour], progress: Callable[[int], None]
    ) -> Iterator[tuple[int, int, Block]]:
        """This process's part of every block."""
        for place, number, block in self.stream.blocks(hours, self.peers.rank, self.peers.size):
            progress(self.peers.size * block.read)
            yield place, number, block

    def _validated(
        self, trainer: StreamTrainer, validate: Sequence[Hour], progress: Callable[[int], None]
    ) -> Retrained | None:
        rows = round(self.stream.rows(validate) * self.stream.keep)
        every = 1 + rows // CALIBRATION_ROWS
        of_those = 1 + rows // every // TESTED_ROWS
        told: list[Block] = []

        def parts() -> Iterator[tuple[Any, History]]:
            for place, number, block in self._own_blocks(validate, progress):
                told.append(thinned(block, every, of_those))
                yield (place, number), _history(block)

        logits = trainer.learn(parts(), predict_every=every)
        clicks = sum(block.clicks for block in told)
        late = sum(block.late for block in told)
        own, own_tested = (validation_of(told, logits, stride) for stride in (1, of_those))
        own_samples = [block.samples for block in told]
        found = self.peers.gathered(
            (own, own_tested, own_samples, clicks, late, trainer.rows_learnt)
        )
        if self.peers.rank:
            return None
        # Who goes on learning has seen history once.
        trainer.model.table.curvature.div_(self.settings.passes)
        kept, tested, samples, clicks_found, late_found, learnt = zip(*found, strict=True)
        everything, some = joined(kept), joined(tested)
        clicks, late = sum(clicks_found), sum(late_found)
        if not 0 < everything.labels.sum() < len(everything.labels):
            raise HistoryError("the validation has no clicks or nothing else")
        half = len(everything.labels) // 2
        later = some.label_ms >= everything.label_ms[half]
        told_samples = np.concatenate([block for of_peer in samples for block in of_peer])
        return Retrained(
            model=trainer.model,
            calibration=self._calibrated(everything, slice(None)),
            late_clicks=LateClicks.assumed(late / clicks, trainer.model.shape.rows),
            tested=Tested(
                samples=told_samples[time_order(tested)][later],
                label_ms=some.label_ms[later],
                labels=some.labels[later],
                weights=some.true_weights(self.stream.keep)[later],
                probabilities=self._calibrated(everything, slice(0, half)).probabilities(
                    some.logits[later]
                ),
            ),
            curve=trainer.curve,
            rows_learnt=sum(learnt),
            watermark_ms=int(validate[-1].end.timestamp() * 1000) - 1,
        )

    def _calibrated(self, validation: Validation, rows: slice) -> Calibration:
        """Fitted on the rows as they were learnt, then taken back to the true rate."""
        # A retrain goes on to learn its validation: offsets of field values would count twice.
        method = self.settings.calibration
        fitted = fit_calibration(
            "platt" if method == "field" else method,
            validation.logits[rows],
            validation.labels[rows],
            self.settings.calibration_bin_rows,
            validation.weights[rows],
        )
        return fitted.shifted(math.log(self.stream.keep))

    def _identity(self) -> str:
        """What a checkpoint must have been made with."""
        train, validate = self._split()
        told = (
            str(train[0]),
            str(train[-1]),
            len(train),
            len(validate),
            self.stream.spec.fingerprint,
            self.stream.keep,
            self.architecture,
            self.settings.model_dump_json(),
            self.options.sync_rows,
            self.peers.size,
        )
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def _resumed(self, trainer: StreamTrainer) -> tuple[int, list[Any]]:
        """Pass and places to go on from."""
        path = self.options.checkpoint
        is_there = path is not None and path.exists()
        if len(set(self.peers.gathered(is_there))) > 1:
            raise CheckpointError(
                f"{path}: not all processes see it: --output must be one folder for all hosts"
            )
        if path is None or not is_there:
            return 0, [None] * self.peers.size
        state, (identity, _, number, places) = read_checkpoint(path)
        if identity != self._identity():
            raise CheckpointError(
                f"{path}: of another retrain (hours, features, settings or processes differ); "
                "delete it, or name another --checkpoint"
            )
        trainer.restore(path, state)
        return number, list(places)

    def _keep(
        self, trainer: StreamTrainer, number: int, begun: Sequence[Any], places: Sequence[Any],
        at_once: bool = False,
    ) -> None:  # fmt: skip
        """Write the checkpoint when it is time to; the first process does. One that has learnt
        nothing is where it has ``begun``."""
        path, now = self.options.checkpoint, time.monotonic()
        due = at_once or now - self._saved >= self.options.checkpoint_seconds
        if path is None or self.peers.rank or not due:
            return
        kept = [before if at is None else at for before, at in zip(begun, places, strict=True)]
        trainer.save(path, [self._identity(), str(self._hours[-1]), number, kept])
        self._saved = now


def _history(block: Block) -> History:
    return History(block.samples, block.labels, block.weights)
