"""Weights that undo the bias of a stream in which a click may come long after its negative.

With f = P(click | x), held constant inside a weight:
ES-DFM (Yang et al., AAAI'21, arXiv 2012.03245): f_dp = P(click after e | x) and
f_rn = P(no click ever | no click by e, x); w⁺ = 1 + f_dp, w⁻ = (1 + f_dp)·f_rn.
FNW (Ktena et al., RecSys'19, arXiv 1907.06558): w⁺ = 1 + f, w⁻ = (1 − f)(1 + f).
"""

import json
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from schemas.model_package import DELAYED_FEEDBACK_FILE, PackageError

Method = Literal["es_dfm", "fnw", "vanilla"]


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
    method: Method, probabilities: Tensor, labels: Tensor, late_share: float
) -> Tensor:
    """Weights [n] of samples with probabilities f [n] and labels [n] in {0, 1}."""
    f = probabilities.detach()
    if method == "vanilla":
        return torch.ones_like(f)
    if method == "fnw":
        return torch.where(labels > 0.5, 1.0 + f, (1.0 - f) * (1.0 + f))
    late = f * late_share
    real_negative = (1.0 - f) / (1.0 - f + late)
    return (1.0 + late) * torch.where(labels > 0.5, torch.ones_like(f), real_negative)
