"""Feature declarations: what is refused, what the fingerprint sees, keys of counters."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from schemas.__main__ import app
from schemas.features import FeatureError, FeatureSpec, built_in_names
from schemas.layout import Layout

SPEC: dict[str, Any] = {
    "name": "tiny",
    "embedding_dim": 4,
    "features": [
        {"name": "hour", "side": "context", "kind": "categorical", "source": "hour", "buckets": 8},
        {
            "name": "position", "side": "context", "kind": "categorical", "source": "position",
            "buckets": 8, "transform": "integer", "default": "1",
        },
        {"name": "ad", "side": "ad", "kind": "categorical", "source": "ad_id", "buckets": 64},
        {"name": "seen", "side": "ad", "kind": "counter", "counter": "ad", "windows": ["1h"]},
        {"name": "clicked", "side": "user", "kind": "sequence", "of": "ad", "length": 3},
    ],
    "counters": {"ad": ["ad.ad_id"], "mixed": ["user.segment", "ad.category"]},
}  # fmt: skip


def changed(**changes: Any) -> dict[str, Any]:
    """A copy of SPEC with entries replaced."""
    return {**SPEC, **changes}


def with_feature(**feature: Any) -> dict[str, Any]:
    """A copy of SPEC with one feature more."""
    return changed(features=[*SPEC["features"], feature])


@pytest.mark.parametrize("name", built_in_names())
def test_built_in_sets_load(name: str) -> None:
    spec = FeatureSpec.load(name)
    assert spec.name == name
    assert Layout.of(spec).rows > 0


@pytest.mark.parametrize(
    ("declaration", "named"),
    [
        (changed(colour="red"), "colour"),
        (
            with_feature(name="hour", side="user", kind="numeric", source="x"),
            "declared twice: hour",
        ),
        (with_feature(name="c", side="ad", kind="counter", counter="nope"), "no counter 'nope'"),
        (with_feature(name="c", side="ad", kind="counter", counter="mixed"), "parts ad"),
        (with_feature(name="c", side="user", kind="counter", counter="ad"), "user.user_id"),
        (with_feature(name="s", kind="sequence", of="hour"), "ad_id"),
        (with_feature(name="s", kind="sequence", of="ad"), "at most one sequence"),
        (with_feature(name="x", side="ad", kind="categorical", source="y", buckets=1), "buckets"),
        (with_feature(name="x", side="ad", kind="magic", source="y"), "magic"),
        (
            with_feature(name="x", side="user", kind="numeric", source="y", default=1e39),
            "default",
        ),
        (changed(crosses=[["hour"]]), "cross"),
        (changed(counters={"ad": ["ad_id"]}), "side.attribute"),
    ],
)
def test_a_wrong_declaration_is_named(
    declaration: dict[str, Any], named: str, tmp_path: Path
) -> None:
    path = tmp_path / "features.yaml"
    path.write_text(yaml.safe_dump(declaration))
    with pytest.raises(FeatureError, match=named):
        FeatureSpec.load(str(path))


def test_an_unknown_set_lists_the_known_ones() -> None:
    with pytest.raises(FeatureError, match=r"criteo.*world"):
        FeatureSpec.load("wrold")


def test_the_fingerprint_changes_with_the_meaning_only() -> None:
    spec = FeatureSpec.model_validate(SPEC)
    assert spec.fingerprint == FeatureSpec.model_validate(dict(reversed(SPEC.items()))).fingerprint
    assert spec.fingerprint != FeatureSpec.model_validate(changed(embedding_dim=8)).fingerprint


def test_context_keys_leave_position_to_the_engine() -> None:
    assert FeatureSpec.model_validate(SPEC).context_keys == {"hour"}


def test_counter_keys() -> None:
    spec = FeatureSpec.model_validate(SPEC)
    values = {"user": {"segment": "a"}, "ad": {"ad_id": "7"}}
    assert spec.counter_key("ad", values) == "ad:7"
    assert spec.counter_key("mixed", values) == "mixed:a|"
    assert spec.ad_counters == ("ad",)
    assert spec.user_counters == ()


def test_a_declaration_in_a_file_is_checked_by_a_command(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    good = "name: shop\nembedding_dim: 4\nfeatures:\n"
    ad = "  - {name: ad, side: ad, kind: categorical, source: ad_id, buckets: 8}\n"
    file.write_text(good + ad)
    shown = CliRunner().invoke(app, ["fingerprints", str(file)])
    assert FeatureSpec.load(str(file)).fingerprint in shown.stdout
    file.write_text(good + ad + ad)
    refused = CliRunner().invoke(app, ["fingerprints", str(file)])
    assert refused.exit_code == 1
    assert "declared twice: ad" in refused.stderr
