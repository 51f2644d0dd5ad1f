"""Versions of records: which changes are allowed, and that a producer may be ahead."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas import avro_codec, evolution
from schemas.avro_codec import DecodeError, SchemaFolderError
from schemas.evolution import EvolutionError
from schemas.records import RECORDS, Impression

SHOWN = Impression("r-1", "ad-7", "u-3", 1_767_225_600_123, 2, 1_500_000, b"\x00token")
Fields = list[dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of schemas/avro."""
    return Path(shutil.copytree(evolution.AVRO, tmp_path / "avro"))


@pytest.fixture
def codec() -> Iterator[None]:
    """What a test teaches the codec is forgotten again."""
    yield
    avro_codec.writer_schemas.cache_clear()


def change(path: Path, edit: Callable[[Fields], Fields]) -> dict[str, Any]:
    """Write and return a schema with other fields."""
    schema: dict[str, Any] = json.loads(path.read_text())
    schema["fields"] = edit(schema["fields"])
    path.write_text(json.dumps(schema))
    return schema


def next_version(fields: Fields) -> Fields:
    """Two fields more, one less."""
    kept = [field for field in fields if field["name"] != "price"]
    added: Fields = [
        {"name": "placement", "type": "string", "default": ""},
        {"name": "device", "type": ["null", "string"], "default": None},
    ]
    return [kept[0], added[0], *kept[1:], added[1]]


def encoded(schema: dict[str, Any], value: dict[str, Any], path: Path) -> bytes:
    """Single-object encoding by another version of this engine."""
    with path.open("wb") as body:
        fastavro.schemaless_writer(body, schema, value)
    return avro_codec.MARKER + avro_codec.schema_fingerprint(schema) + path.read_bytes()


def test_the_history_is_complete() -> None:
    evolution.check()
    kept = {path.name.split(".")[0] for path in (evolution.AVRO / "history").glob("*.avsc")}
    assert kept == RECORDS.keys()


def test_a_version_must_be_registered_before_it_is_used(folder: Path) -> None:
    change(folder / "impression.avsc", next_version)
    with pytest.raises(EvolutionError, match=r"impression\.avsc: .*python -m schemas register"):
        evolution.check(folder)
    (added,) = evolution.register(folder)
    assert added.name.startswith("Impression.")
    evolution.check(folder)
    assert evolution.register(folder) == []
    assert len(list((folder / "history").glob("Impression.*"))) == 2


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda fields: [*fields, {"name": "placement", "type": "string"}],
            r"impression.avsc cannot read history/Impression\..*placement.*needs a default",
        ),
        (
            lambda fields: [field for field in fields if field["name"] != "position"],
            r"history/Impression\..* cannot read impression.avsc: .*position",
        ),
        (
            lambda fields: [{**f, "type": "int"} if f["name"] == "price" else f for f in fields],
            r"impression.avsc cannot read history/Impression\..*int not compatible.*long",
        ),
    ],
)
def test_a_change_that_breaks_others_is_refused(
    folder: Path, edit: Callable[[Fields], Fields], said: str
) -> None:
    change(folder / "impression.avsc", edit)
    with pytest.raises(EvolutionError, match=said):
        evolution.register(folder)
    assert len(list((folder / "history").glob("Impression.*"))) == 1


def test_the_history_is_not_rewritten(folder: Path) -> None:
    (kept,) = (folder / "history").glob("Click.*")
    change(kept, lambda fields: fields[:-1])
    with pytest.raises(EvolutionError, match=rf"history/{kept.name} was changed"):
        evolution.check(folder)


def test_a_record_that_nobody_knows_is_named(folder: Path) -> None:
    (folder / "view.avsc").write_text('{"type": "record", "name": "View", "fields": []}')
    with pytest.raises(EvolutionError, match=r"view\.avsc: record View is not one of Impression"):
        evolution.check(folder)


@pytest.mark.usefixtures("codec")
def test_a_producer_that_is_ahead_is_read(folder: Path, tmp_path: Path) -> None:
    schema = change(folder / "impression.avsc", next_version)
    values = {"request_id": "r-1", "ad_id": "ad-7", "user_id": "u-3", "ts": SHOWN.ts}
    values |= {"position": 2, "token": SHOWN.token, "placement": "top", "device": "phone"}
    data = encoded(schema, values, tmp_path / "body")
    name = avro_codec.schema_fingerprint(schema).hex()
    with pytest.raises(DecodeError, match=f"^unknown-schema: fingerprint {name}"):
        Impression.decode(data)
    assert name in avro_codec.learn(folder)
    assert Impression.decode(data) == replace(SHOWN, price=0)


@pytest.mark.usefixtures("codec")
def test_a_version_that_lacks_something_gets_a_reason(folder: Path, tmp_path: Path) -> None:
    schema = change(folder / "click.avsc", lambda fields: fields[:-1])
    avro_codec.learn(folder)
    data = encoded(schema, {"request_id": "r", "ad_id": "a"}, tmp_path / "body")
    with pytest.raises(DecodeError, match=r"^incompatible-schema: .*ts"):
        avro_codec.decode("Click", data)


@pytest.mark.parametrize("text", ["{", '"nothing"', '{"type": "record"}', '{"type": "what"}'])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.avsc").write_text(text)
    with pytest.raises(SchemaFolderError, match=r"^CTR_SCHEMA_DIR: .*x\.avsc is no Avro schema"):
        avro_codec.learn(tmp_path)
    with pytest.raises(SchemaFolderError, match="is no folder"):
        avro_codec.learn(tmp_path / "no")
