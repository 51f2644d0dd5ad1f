"""Producers that are a version ahead of the job: by a folder of schemas, and by a registry."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fastavro

from schemas import avro_codec
from schemas.records import Impression, Record, as_values

#: In the registry: the next version of impressions, and the ads of today.
IMPRESSION_ID, AD_ID, NO_ID = 70_000, 7, 404


def next_impression() -> dict[str, Any]:
    """Two fields more, one less."""
    schema = dict(avro_codec.current_schema("Impression"))
    kept = [field for field in schema["fields"] if field["name"] != "price"]
    placement = {"name": "placement", "type": "string", "default": ""}
    device = {"name": "device", "type": ["null", "string"], "default": None}
    return {**schema, "fields": [kept[0], placement, *kept[1:], device]}


def single_object(shown: Impression) -> bytes:
    """As a producer of the next version writes to Kafka."""
    schema = next_impression()
    return avro_codec.MARKER + avro_codec.schema_fingerprint(schema) + _body(schema, shown)


def wire_format(schema_id: int, record: Record) -> bytes:
    """As a producer with Confluent's serializer does."""
    return b"\0" + schema_id.to_bytes(4, "big") + _body(_registered()[schema_id], record)


def write_schemas(folder: Path) -> Path:
    """For CTR_SCHEMA_DIR."""
    folder.mkdir()
    (folder / "impression.avsc").write_text(json.dumps(next_impression()))
    return folder


@contextmanager
def registry() -> Iterator[str]:
    """What readers use of a schema registry, GET /schemas/ids/{id}; yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        schema = _registered().get(int(self.path.rpartition("/")[2] or NO_ID))
        self.send_response(404 if schema is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"schema": json.dumps(schema)}).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no news."""


def _registered() -> dict[int, dict[str, Any]]:
    return {IMPRESSION_ID: next_impression(), AD_ID: avro_codec.current_schema("Ad")}


def _body(schema: dict[str, Any], record: Record) -> bytes:
    values = {"placement": "top", "device": "phone", **as_values(record)}
    known = {field["name"] for field in schema["fields"]}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, {k: v for k, v in values.items() if k in known})
    return body.getvalue()
