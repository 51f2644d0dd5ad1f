"""Settings shared by every process, and the base class that refuses misspelt variables.

Every setting is an environment variable that begins with ``CTR_``.
"""

import difflib
import os
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.addresses import (
    NO_SECRET,
    KafkaAddress,
    KafkaMechanism,
    KafkaSecurity,
    RedisAddress,
)

SHARED_PREFIX = "CTR_"
PACKAGE_PREFIXES = (
    "CTR_ADSERVER_",
    "CTR_BOOTSTRAP_",
    "CTR_CONSOLE_",
    "CTR_DEMO_",
    "CTR_LOCAL_",
    "CTR_ONLINE_MODEL_",
    "CTR_SCORER_",
    "CTR_STREAMING_",
)


class SettingsError(ValueError):
    """A setting is unknown or has a wrong value; the message names the variable."""


class Settings(BaseSettings):
    """Base of all settings. Sub-classes set ``model_config`` with their own ``env_prefix``.

    Use :meth:`load` rather than the constructor in processes: it turns every fault into a
    :class:`SettingsError` that names the environment variable and what is allowed.
    """

    model_config = SettingsConfigDict(env_prefix=SHARED_PREFIX, frozen=True, extra="forbid")

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment. Raises :class:`SettingsError`."""
        cls._refuse_unknown(dict(os.environ))
        try:
            return cls(**overrides)
        except ValidationError as error:
            prefix = cls._prefix()
            faults = [
                f"{prefix}{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)
            ]
            raise SettingsError("; ".join(faults)) from None

    @classmethod
    def _prefix(cls) -> str:
        return cls.model_config.get("env_prefix") or SHARED_PREFIX

    @classmethod
    def _refuse_unknown(cls, environment: dict[str, str]) -> None:
        prefix = cls._prefix()
        known = {prefix + name.upper() for name in cls.model_fields}
        others = tuple(other for other in PACKAGE_PREFIXES if other != prefix)
        for variable in sorted(environment):
            name = variable.upper()
            if not name.startswith(prefix) or name.startswith(others) or name in known:
                continue
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"
            raise SettingsError(f"{variable} is not a setting: {hint}")


class SharedSettings(Settings):
    """Where the brokers and stores are, and what use case is served (``CTR_*``)."""

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="host:port list of Kafka brokers")
    kafka_security: KafkaSecurity = Field("PLAINTEXT", description="SSL: TLS; SASL_SSL: and a user")
    kafka_mechanism: KafkaMechanism = Field("SCRAM-SHA-512", description="of SASL_SSL")
    kafka_username: str = Field("", description="of SASL_SSL")
    kafka_password: SecretStr = Field(NO_SECRET, description="of SASL_SSL")
    kafka_ca: Path | None = Field(None, description="PEM file; None: the system's authorities")
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="of Redis; with TLS: rediss://host:port/0; of a cluster: redis+cluster://…",
    )
    redis_username: str = Field("", description="user of Redis' access control list")
    redis_password: SecretStr = Field(NO_SECRET, description="of that user")
    redis_ca: Path | None = Field(None, description="PEM file; None: the system's authorities")
    redis_cert: Path | None = Field(None, description="PEM file, if Redis asks for one of ours")
    redis_key: Path | None = Field(None, description="PEM file, of redis_cert")
    features: str = Field("world", description="built-in feature set, or path of a feature file")
    model: str = Field(
        "deepfm",
        pattern=r"^[A-Za-z0-9._-]+$",
        description="name of the model that is trained and served",
    )
    token_keys: SecretStr = Field(
        SecretStr(""), description="id:hex[,id:hex…]; the first key signs, all of them verify"
    )
    schema_dir: Path | None = Field(
        None, description="folder of Avro schemas of producers that are ahead, *.avsc"
    )
    schema_registry_url: str = Field(
        "",
        pattern="^(https?://.+)?$",
        description="Confluent schema registry, whose wire format is then read, too",
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("redis_url")
    @classmethod
    def _no_secret_in_url(cls, url: str) -> str:
        if urlsplit(url).password is not None:
            raise ValueError(
                "holds a password, which would be logged: set CTR_REDIS_USERNAME and "
                "CTR_REDIS_PASSWORD instead"
            )
        return url

    @model_validator(mode="after")
    def _whole(self) -> Self:
        is_named = bool(self.kafka_username and self.kafka_password.get_secret_value())
        if is_named != (self.kafka_security == "SASL_SSL"):
            raise ValueError(
                "CTR_KAFKA_USERNAME and CTR_KAFKA_PASSWORD belong to CTR_KAFKA_SECURITY=SASL_SSL, "
                "which needs both: a password without TLS could be read on the way"
            )
        files = (self.redis_ca, self.redis_cert, self.redis_key)
        if any(files) and not self.redis_url.startswith("rediss"):
            raise ValueError("CTR_REDIS_CA, _CERT and _KEY need a CTR_REDIS_URL with rediss://")
        if (self.redis_cert is None) != (self.redis_key is None):
            raise ValueError("CTR_REDIS_CERT and CTR_REDIS_KEY: one is given without the other")
        return self

    @property
    def redis(self) -> RedisAddress:
        """All that it takes to connect to Redis."""
        return RedisAddress(
            self.redis_url,
            self.redis_username,
            self.redis_password,
            self.redis_ca,
            self.redis_cert,
            self.redis_key,
        )

    @property
    def kafka(self) -> KafkaAddress:
        """All that it takes to connect to Kafka."""
        return KafkaAddress(
            self.kafka_bootstrap,
            self.kafka_security,
            self.kafka_mechanism,
            self.kafka_username,
            self.kafka_password,
            self.kafka_ca,
        )
