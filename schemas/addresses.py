"""Where Redis and Kafka are and who we are to them; in text of any kind they show no secret."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

KafkaSecurity = Literal["PLAINTEXT", "SSL", "SASL_SSL"]
KafkaMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
NO_SECRET = SecretStr("")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """``ca``, ``cert`` and ``key`` are PEM files for a URL with TLS (``rediss``)."""

    url: str
    username: str = ""
    password: SecretStr = NO_SECRET
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """``bootstrap`` is a host:port list; ``ca`` a PEM file, None for the system's authorities."""

    bootstrap: str
    security: KafkaSecurity = "PLAINTEXT"
    mechanism: KafkaMechanism = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = NO_SECRET
    ca: Path | None = None

    def __str__(self) -> str:
        return self.bootstrap
