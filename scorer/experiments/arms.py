"""The arms of an experiment: one YAML file says who gets which model and what is explored.

::

    salt: autumn                   # another one mixes the users anew
    arms:
      - {name: popular, share: 0.1, model: popularity}
      - {name: regression, share: 0.2, model: lr}
      - name: deepfm
        share: 0.7
        model: deepfm
        exploration: {policy: thompson, probability: 0.1, share: 0.05}
"""

import difflib
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Literal, Self

import xxhash
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

#: The model that needs no package: the most clicked ads, by the counters of a day.
POPULARITY = "popularity"


class ArmsError(ValueError):
    """An arms file that cannot be used; the message names the key and what is allowed."""


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Exploration(_Declared):
    """With ``probability`` the last slot of an answer is drawn by ``policy``: both or neither.

    UCB and Thompson sampling draw from as many ads as are ``share`` of the candidates, among those
    with fewer than ``new_until`` impressions a day: of others the model knows more than a counter.
    """

    policy: Literal["none", "epsilon_greedy", "ucb", "thompson"] = "none"
    probability: float = Field(0.0, ge=0, lt=1)
    share: float = Field(0.1, gt=0, le=1)
    new_until: int = Field(1_000, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.policy == "none") != (self.probability == 0):
            raise ValueError("policy, probability: expected both or neither")
        return self

    @property
    def is_pooled(self) -> bool:
        """Whether a pool must be kept for it."""
        return self.policy in ("ucb", "thompson")


class Arm(_Declared):
    """``share`` of the users get ``model``: the name of packages, or popularity."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    share: float = Field(ge=0, le=1)
    model: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    exploration: Exploration = Exploration()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.model == POPULARITY and self.exploration.policy != "none":
            raise ValueError("exploration: popularity never explores, expected no policy")
        return self

    @property
    def is_mostly_greedy(self) -> bool:
        """Whether propensities tell a ranked ad from a drawn one."""
        return self.exploration.probability < 0.5


class Arms(_Declared):
    """All arms; their shares sum to 1."""

    salt: str = Field(min_length=1)
    arms: tuple[Arm, ...] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ArmsError."""
        try:
            return cls.model_validate(yaml.safe_load(path.read_text()))
        except OSError as error:
            raise ArmsError(f"CTR_SCORER_ARMS: {path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ArmsError(f"CTR_SCORER_ARMS: {path}: no YAML: {error}") from None
        except ValidationError as error:
            faults = "; ".join(_fault(fault) for fault in error.errors() if not _follows(fault))
            raise ArmsError(f"CTR_SCORER_ARMS: {path}: {faults}") from None

    @classmethod
    def single(cls, model: str, epsilon: float) -> Self:
        """Without a file: everybody gets one model, with ε-greedy exploration."""
        policy: Literal["none", "epsilon_greedy"] = "epsilon_greedy" if epsilon else "none"
        exploration = Exploration(policy=policy, probability=epsilon)
        arm = Arm(name=model, share=1.0, model=model, exploration=exploration)
        return cls(salt="-", arms=(arm,))

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [arm.name for arm in self.arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"arms: name: there twice: {', '.join(twice)}")
        total = sum(arm.share for arm in self.arms)
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"arms: share: expected shares that sum to 1, got {total:g}")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the packages that the arms need, each once."""
        names = (arm.model for arm in self.arms if arm.model != POPULARITY)
        return tuple(dict.fromkeys(names))

    @cached_property
    def _by_name(self) -> dict[str, Arm]:
        return {arm.name: arm for arm in self.arms}

    @cached_property
    def _bounds(self) -> tuple[float, ...]:
        return tuple(accumulate(arm.share for arm in self.arms))

    @property
    def names(self) -> tuple[str, ...]:
        """Of all arms."""
        return tuple(self._by_name)

    def of(self, user_id: str, variant: str = "") -> Arm:
        """The arm that is asked for, or the user's: always the same by user and salt.

        Raises KeyError on an unknown variant.
        """
        if variant:
            return self._by_name[variant]
        if len(self.arms) == 1:
            return self.arms[0]
        digest: int = xxhash.xxh3_64_intdigest(f"{self.salt}\x1f{user_id}".encode())
        point = digest / 2.0**64
        for arm, bound in zip(self.arms, self._bounds, strict=True):
            if point < bound:
                return arm
        return next(arm for arm in reversed(self.arms) if arm.share > 0)


def _follows(fault: ErrorDetails) -> bool:
    """Whether it is there because of others only: no arm is left where each has a fault."""
    return fault["type"] == "too_short" and bool(fault["input"])


def _fault(fault: ErrorDetails) -> str:
    """One fault, with the key and what is allowed there."""
    place = fault["loc"]
    name = ".".join(map(str, place)) or "file"
    if fault["type"] != "extra_forbidden":
        return f"{name}: {fault['msg'].removeprefix('Value error, ')}, got {_shown(fault['input'])}"
    declared: type[_Declared] = Arms
    if "exploration" in place[:-1]:
        declared = Exploration
    elif "arms" in place[:-1]:
        declared = Arm
    known = list(declared.model_fields)
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{name}: unknown key, {hint}known are {', '.join(known)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
