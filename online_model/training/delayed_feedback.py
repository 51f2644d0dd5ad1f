"""Weights that undo the bias of a stream in which a click may come long after its negative.

With f = P(click | x), held constant inside a weight, f_dp = P(click after e | x) and
f_rn = P(no click ever | no click by e, x):

- ES-DFM (Yang et al., AAAI'21, arXiv 2012.03245): w⁺ = 1 + f_dp, w⁻ = (1 + f_dp)·f_rn.
- FNW (Ktena et al., RecSys'19, arXiv 1907.06558): w⁺ = 1 + f, w⁻ = (1 − f)(1 + f), for a stream
  in which every impression is a negative at once (e = 0).
- DEFER (Gu et al., KDD'21, arXiv 2104.14121): w⁺ = f/(f − f_dp/2), w⁻ = (1 − f)/(1 − f + f_dp/2),
  for a stream that brings every impression twice, the second time with its final label.
- ``wait`` learns final labels only, ``vanilla`` takes what comes for the truth.

f_dp is f·d with d = P(click after e | click, x), and f_rn = (1 − f)/(1 − f + f_dp) follows from
both: so no helper can contradict the model (f_dp > f would make DEFER's w⁺ negative). But w⁻ then
goes to 0 with 1 − f, and a model that is pushed to p = 1 would stay there: in a weight, f is
``LARGEST`` at most, which leaves the fixed point of any lower rate where it is.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from online_model.settings import Method
from schemas.model_package import DELAYED_FEEDBACK_FILE, PackageError

LARGEST = 0.9


@dataclass(frozen=True, slots=True)
class LateShare:
    """Which share of clicks comes after e, tracked from counts of clicks that decay."""

    early: float
    late: float

    @classmethod
    def assumed(cls, share: float, clicks: float = 200.0) -> "LateShare":
        """A share that counts for as much as so many clicks."""
        return cls(early=(1.0 - share) * clicks, late=share * clicks)

    @property
    def share(self) -> float:
        """d in [0, 1]; 1 (all clicks are late) before the first click."""
        total = self.early + self.late
        return self.late / total if total > 0 else 1.0

    def seen(self, early: float, late: float, memory: float) -> "LateShare":
        """After so many further clicks; all of them together count for ``memory`` at most."""
        keep = max(0.0, 1.0 - (early + late) / memory)
        return LateShare(keep * self.early + early, keep * self.late + late)

    def to_bytes(self) -> bytes:
        """File of a package."""
        return json.dumps({"late_click_share": self.share}).encode()

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> "LateShare":
        """From the files of a package. Raises PackageError."""
        try:
            share = float(json.loads(files[DELAYED_FEEDBACK_FILE])["late_click_share"])
        except (KeyError, TypeError, ValueError) as error:
            raise PackageError(f"{DELAYED_FEEDBACK_FILE}: {error!r}") from None
        if not 0.0 <= share <= 1.0:
            raise PackageError(f"{DELAYED_FEEDBACK_FILE}: late_click_share {share} is no share")
        return cls.assumed(share)


def loss_weights(
    method: Method, probabilities: Tensor, labels: Tensor, late_share: Tensor | float
) -> Tensor:
    """Weights [n] of samples with probabilities f [n] and labels [n] in {0, 1}.

    ``late_share`` is d, of each sample [n] or of all.
    """
    f = probabilities.clamp(max=LARGEST)
    if method in ("vanilla", "wait"):
        return torch.ones_like(f)
    if method == "fnw":
        return torch.where(labels > 0.5, 1.0 + f, (1.0 - f) * (1.0 + f))
    late = f * late_share
    if method == "defer":
        return torch.where(labels > 0.5, f / (f - late / 2), (1.0 - f) / (1.0 - f + late / 2))
    real_negative = (1.0 - f) / (1.0 - f + late)
    return (1.0 + late) * torch.where(labels > 0.5, torch.ones_like(f), real_negative)


def sights(
    method: Method, kinds: NDArray[np.str_], labels: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """What samples [n] count for as kinds [n] and labels [n] say, 0: they are not learnt.

    DEFER's second sight of a click is not waited for: it is the sample that brings the click, so
    a click within e counts for both at once, and of MATURE samples only negatives are new. Two
    sights are halves of one impression, so that no more is learnt from it than from any other.
    """
    first = np.isin(kinds, ("POSITIVE", "NEGATIVE", "CORRECTION"))
    if method != "defer":
        learnt = kinds == "MATURE" if method == "wait" else first
        return learnt.astype(np.float32)
    real_negative = (kinds == "MATURE") & (labels < 0.5)
    halves = first.astype(np.float32) + real_negative + (kinds == "POSITIVE")
    counted: NDArray[np.float32] = (halves / 2).astype(np.float32)
    return counted
