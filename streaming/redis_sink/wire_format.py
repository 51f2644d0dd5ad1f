"""Confluent's wire format -> Avro's single-object encoding: only the head is another one."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

from schemas import avro_codec

#: 0, then the id of the writer's schema (4 bytes, big-endian).
HEAD_BYTES = 5
TIMEOUT_SECONDS = 5.0


class WireFormat:
    """Asks a schema registry for each id once; without a URL nothing is in wire format."""

    def __init__(self, registry_url: str) -> None:
        self._url = registry_url.rstrip("/")
        self._fingerprints: dict[int, bytes | None] = {}

    def single_object(self, data: bytes) -> bytes:
        """The same record, whose writer's schema avro_codec knows from now on. What is not in wire
        format, or has a schema that the registry has not, comes back as it is.

        Raises OSError while the registry is away.
        """
        if not self._url or len(data) < HEAD_BYTES or data[0] != 0:
            return data
        schema_id = int.from_bytes(data[1:HEAD_BYTES], "big")
        if schema_id not in self._fingerprints:
            self._fingerprints[schema_id] = self._learn(schema_id)
        fingerprint = self._fingerprints[schema_id]
        if fingerprint is None:
            return data
        return avro_codec.MARKER + fingerprint + data[HEAD_BYTES:]

    def _learn(self, schema_id: int) -> bytes | None:
        try:
            with urlopen(f"{self._url}/schemas/ids/{schema_id}", timeout=TIMEOUT_SECONDS) as answer:
                return avro_codec.learn_schema(json.loads(answer.read())["schema"])
        except HTTPError as error:
            if error.code != 404:
                raise
        except (ValueError, KeyError, TypeError):
            pass
        return None
