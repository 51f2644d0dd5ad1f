"""Avro single-object encoding: marker C3 01, 8-byte schema fingerprint, body.

Any schema in ``avro/`` (current) or ``avro/history/`` (older versions) can be read, and those of
newer producers that :func:`learn` was told of; writing always uses the current one.
"""

import io
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import (
    SchemaParseException,
    UnknownType,
    fingerprint,
    parse_schema,
    to_parsing_canonical_form,
)

MARKER = b"\xc3\x01"
HEADER_BYTES = 10


class SchemaFolderError(ValueError):
    """A folder of schemas that cannot be used; the message names the file."""


class DecodeError(ValueError):
    """Bytes that are no record of the expected kind. The message begins with a reason code."""


@cache
def _schema_texts(folder: str) -> dict[str, str]:
    directory = files("schemas").joinpath(*folder.split("/"))
    if not directory.is_dir():
        return {}
    return {
        entry.name.removesuffix(".avsc"): entry.read_text()
        for entry in sorted(directory.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".avsc")
    }


def _without_logical_types(schema: Any) -> Any:
    """Timestamps stay int milliseconds: no datetime is built for each event."""
    if isinstance(schema, dict):
        return {k: _without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(item) for item in schema]
    return schema


def _parsed(raw: dict[str, Any]) -> dict[str, Any]:
    parsed: Any = parse_schema(_without_logical_types(raw))
    return dict(parsed)


@cache
def current_schema(record: str) -> dict[str, Any]:
    """The parsed schema of a record, by its Avro name, e.g. ``Impression``."""
    for text in _schema_texts("avro").values():
        raw = json.loads(text)
        if raw["name"] == record:
            return _parsed(raw)
    raise KeyError(f"no schema named {record} in schemas/avro")


def schema_fingerprint(schema: dict[str, Any]) -> bytes:
    """CRC-64-AVRO of the parsing canonical form, 8 bytes little-endian."""
    digest = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    return bytes.fromhex(digest)


@cache
def writer_schemas() -> dict[bytes, dict[str, Any]]:
    """All schemas that can be read, by fingerprint."""
    texts = [*_schema_texts("avro").values(), *_schema_texts("avro/history").values()]
    known: dict[bytes, dict[str, Any]] = {}
    for text in texts:
        raw = json.loads(text)
        known[schema_fingerprint(raw)] = _parsed(raw)
    return known


def learn(folder: Path) -> list[str]:
    """Read records that were written with the schemas of a folder, too; returns their fingerprints.

    Raises SchemaFolderError.
    """
    if not folder.is_dir():
        raise SchemaFolderError(f"CTR_SCHEMA_DIR: {folder} is no folder")
    found: dict[bytes, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.avsc")):
        try:
            raw = json.loads(path.read_text())
            found[schema_fingerprint(raw)] = _parsed(raw)
        except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType) as error:
            raise SchemaFolderError(f"CTR_SCHEMA_DIR: {path} is no Avro schema: {error}") from None
    writer_schemas().update(found)
    return [fingerprint.hex() for fingerprint in found]


def learn_schema(text: str) -> bytes:
    """Read records that were written with this schema, too; returns its fingerprint.

    Raises ValueError if it is none.
    """
    try:
        raw = json.loads(text)
        fingerprint_of = schema_fingerprint(raw)
        writer_schemas()[fingerprint_of] = _parsed(raw)
    except (KeyError, TypeError, SchemaParseException, UnknownType) as error:
        raise ValueError(f"no Avro schema: {error}") from None
    return fingerprint_of


@cache
def header(record: str) -> bytes:
    """What a value with the current schema of ``record`` begins with."""
    return MARKER + schema_fingerprint(current_schema(record))


def encode(record: str, value: dict[str, Any]) -> bytes:
    """One value with the current schema of ``record``. TypeError or ValueError on a misfit."""
    buffer = io.BytesIO()
    buffer.write(header(record))
    fastavro.schemaless_writer(buffer, current_schema(record), value, strict=True)
    return buffer.getvalue()


def long(value: int) -> bytes:
    """A number as the body has it: zigzag, seven bits a byte."""
    left = value << 1 if value >= 0 else ~(value << 1)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def text(value: str) -> bytes:
    """A string as the body has it."""
    data = value.encode()
    return long(len(data)) + data


def decode(record: str, data: bytes) -> dict[str, Any]:
    """One value, resolved from its writer's schema to the current one. Raises DecodeError."""
    if len(data) < HEADER_BYTES or data[:2] != MARKER:
        raise DecodeError("not-avro: no single-object marker C3 01")
    writer = writer_schemas().get(data[2:HEADER_BYTES])
    if writer is None:
        raise DecodeError(f"unknown-schema: fingerprint {data[2:HEADER_BYTES].hex()}")
    if writer["name"].rsplit(".", 1)[-1] != record:
        raise DecodeError(f"wrong-record: expected {record}, got {writer['name']}")
    try:
        value = fastavro.schemaless_reader(
            io.BytesIO(data[HEADER_BYTES:]), writer, current_schema(record)
        )
    except SchemaResolutionError as error:
        raise DecodeError(f"incompatible-schema: {error}") from None
    except (EOFError, IndexError, ValueError, UnicodeDecodeError, OverflowError) as error:
        raise DecodeError(f"truncated: {record} cannot be read: {error!r}") from None
    if not isinstance(value, dict):
        raise DecodeError(f"wrong-record: expected {record}")
    return value
