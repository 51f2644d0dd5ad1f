"""The feature declaration: one YAML file per use case, its checks and its fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.windows import LAST_CLICKS

Side = Literal["user", "context", "ad"]
Window = Literal["15m", "1h", "1d", "7d"]
POSITION = "position"
ID_ATTRIBUTES = {"user": "user_id", "ad": "ad_id"}
#: Numbers are clipped to this, so that no product of them leaves float32.
LARGEST_NUMBER = 1e12


class FeatureError(ValueError):
    """A feature file that cannot be used; the message names the file and the entry."""


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Categorical(_Declared):
    """A value that is hashed to one of ``buckets`` rows; bucket 0 means missing.

    ``transform``: none hashes the text; ``integer`` takes the number itself, clipped to the
    buckets; ``log_square`` hashes floor(ln(x)²) of numbers over 2.
    """

    kind: Literal["categorical"]
    name: str
    side: Side
    source: str = Field(description="attribute or context key; user_id and ad_id are attributes")
    buckets: int = Field(ge=2, le=1 << 28)
    transform: Literal["none", "integer", "log_square"] = "none"
    default: str = ""


class Numeric(_Declared):
    """A number; ``log1p`` keeps the sign. It is standardised by the model package."""

    kind: Literal["numeric"]
    name: str
    side: Side
    source: str
    transform: Literal["none", "log1p"] = "none"
    default: float = Field(0.0, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)


class Counter(_Declared):
    """Two numbers a window: smoothed CTR and log(1 + impressions), of a declared counter."""

    kind: Literal["counter"]
    name: str
    side: Literal["user", "ad"]
    counter: str
    windows: tuple[Window, ...] = ("15m", "1h", "1d", "7d")
    prior_ctr: float = Field(0.05, gt=0, lt=1)
    prior_impressions: float = Field(20.0, gt=0)


class Sequence(_Declared):
    """The last clicked ads of the user, mean-pooled over the rows of the feature ``of``."""

    kind: Literal["sequence"]
    name: str
    side: Literal["user"] = "user"
    of: str
    length: int = Field(LAST_CLICKS, ge=1, le=LAST_CLICKS)


Feature = Annotated[Categorical | Numeric | Counter | Sequence, Field(discriminator="kind")]


class FeatureSpec(_Declared):
    """A whole declaration. ``counters`` maps a name to its key parts, e.g. ``ad.advertiser``."""

    name: str
    embedding_dim: int = Field(16, ge=2, le=256)
    features: tuple[Feature, ...]
    counters: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    crosses: tuple[tuple[str, ...], ...] = ()
    cross_buckets: int = Field(1 << 18, ge=2, le=1 << 28)

    @classmethod
    def load(cls, name_or_path: str) -> Self:
        """A built-in set by its name, or a YAML file by its path. Raises FeatureError."""
        built_in = files("schemas").joinpath("feature_sets", f"{name_or_path}.yaml")
        path = Path(name_or_path)
        if built_in.is_file():
            text = built_in.read_text()
        elif path.is_file():
            text = path.read_text()
        else:
            raise FeatureError(
                f"CTR_FEATURES: {name_or_path!r} is neither a file nor one of "
                f"{', '.join(built_in_names())}"
            )
        try:
            return cls.model_validate(yaml.safe_load(text))
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'declaration'}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)
            )
            raise FeatureError(f"feature set {name_or_path}: {faults}") from None
        except yaml.YAMLError as error:
            raise FeatureError(f"feature set {name_or_path}: no YAML: {error}") from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [feature.name for feature in self.features]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ValueError(f"declared twice: {', '.join(doubles)}")
        for counter, parts in self.counters.items():
            for part in parts:
                if part.partition(".")[0] not in ("user", "context", "ad") or "." not in part:
                    raise ValueError(f"counter {counter}: {part!r} is not side.attribute")
        categorical = {f.name: f for f in self.features if isinstance(f, Categorical)}
        for feature in self.features:
            if isinstance(feature, Counter):
                self._check_counter(feature)
            if isinstance(feature, Sequence):
                target = categorical.get(feature.of)
                if target is None or target.side != "ad" or target.source != "ad_id":
                    raise ValueError(
                        f"{feature.name}: of must name a categorical feature of ad_id, "
                        f"got {feature.of!r}"
                    )
            if (
                isinstance(feature, Categorical)
                and feature.source == POSITION
                and (feature.side != "context" or feature.transform != "integer")
            ):
                raise ValueError(f"{feature.name}: position is side context, transform integer")
        if sum(isinstance(f, Sequence) for f in self.features) > 1:
            raise ValueError("at most one sequence feature")
        if sum(isinstance(f, Categorical) and f.source == POSITION for f in self.features) > 1:
            raise ValueError("at most one position feature")
        for cross in self.crosses:
            unknown = [name for name in cross if name not in categorical]
            if unknown or len(cross) < 2:
                raise ValueError(f"cross {list(cross)}: needs two or more categorical features")
        return self

    def _check_counter(self, feature: Counter) -> None:
        parts = self.counters.get(feature.counter)
        if parts is None:
            known = ", ".join(self.counters) or "none"
            raise ValueError(f"{feature.name}: no counter {feature.counter!r}; declared: {known}")
        if feature.side == "user" and parts != ("user.user_id",):
            raise ValueError(f"{feature.name}: a user's counter has the key [user.user_id]")
        if feature.side == "ad" and not all(part.startswith("ad.") for part in parts):
            raise ValueError(f"{feature.name}: an ad's counter has parts ad.… only")

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with anything that changes the meaning of inputs."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def context_keys(self) -> frozenset[str]:
        """Keys that a request's context may have; position is not the client's to set."""
        return frozenset(
            feature.source
            for feature in self.features
            if isinstance(feature, Categorical | Numeric)
            and feature.side == "context"
            and feature.source != POSITION
        )

    @cached_property
    def user_counters(self) -> tuple[str, ...]:
        """Counters that live in the user's own row."""
        return tuple(n for n, parts in self.counters.items() if parts == ("user.user_id",))

    @cached_property
    def ad_counters(self) -> tuple[str, ...]:
        """Counters whose key follows from the ad alone."""
        return tuple(
            name
            for name, parts in self.counters.items()
            if all(part.startswith("ad.") for part in parts)
        )

    def counter_key(self, counter: str, values: Mapping[str, Mapping[str, str]]) -> str:
        """The key of a counter, e.g. ``advertiser:7``; ``values`` maps side to attributes.

        A missing attribute counts as the empty text.
        """
        parts = []
        for part in self.counters[counter]:
            side, _, attribute = part.partition(".")
            parts.append(values.get(side, {}).get(attribute, ""))
        return f"{counter}:{'|'.join(parts)}"


def built_in_names() -> list[str]:
    """Names of the feature sets that come with the package."""
    folder = files("schemas").joinpath("feature_sets")
    return sorted(e.name.removesuffix(".yaml") for e in folder.iterdir() if e.name.endswith("yaml"))
