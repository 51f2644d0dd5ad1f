"""A real Redis and a real Kafka that take none but known users, over TLS, with least rights."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import redis
import trustme
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from deploy.cluster.kafka_rights import RIGHTS, grant
from deploy.cluster.redis_users import access_list, passwords
from deploy.local.kafka_broker import Listener, kafka_part
from deploy.local.part import Part, Readiness
from deploy.local.ports import HOST
from deploy.local.redis_server import redis_part
from schemas.addresses import KafkaAddress, RedisAddress
from stores.kafka_client import client_settings
from stores.redis_client import connect

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of an authority made for one run, and of a server on this machine."""

    ca: Path
    server: Path
    key: Path
    server_with_key: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificates":
        """Write them into a folder."""
        authority = trustme.CA()
        issued = authority.issue_cert(HOST)
        files = cls(*(folder / f"{name}.pem" for name in ("ca", "server", "key", "both")))
        authority.cert_pem.write_to_path(str(files.ca))
        (chain,) = issued.cert_chain_pems
        chain.write_to_path(str(files.server))
        # Java reads keys in no other form.
        private = load_pem_private_key(issued.private_key_pem.bytes(), None)
        key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files.key.write_bytes(key)
        files.server_with_key.write_bytes(key + chain.bytes())
        return files


@dataclass(frozen=True, slots=True)
class SecuredServers:
    """``secrets`` has the password of each user of either server."""

    certificates: Certificates
    secrets: Mapping[str, str]
    redis_port: int
    kafka_port: int

    @classmethod
    def make(cls, folder: Path, redis_port: int, kafka_port: int) -> "SecuredServers":
        """Certificates and passwords; nothing runs yet."""
        secrets = passwords(folder / "passwords")
        others = {user: f"$a 'password'; of {user}" for user in RIGHTS if user not in secrets}
        others[ADMIN] = ADMIN
        certificates = Certificates.make(folder)
        return cls(certificates, {**secrets, **others}, redis_port, kafka_port)

    def redis(self, user: str) -> RedisAddress:
        """As a user."""
        return RedisAddress(
            f"rediss://{HOST}:{self.redis_port}/0",
            user,
            SecretStr(self.secrets[user]),
            self.certificates.ca,
        )

    def kafka(self, user: str) -> KafkaAddress:
        """As a user."""
        return KafkaAddress(
            f"{HOST}:{self.kafka_port}",
            "SASL_SSL",
            "SCRAM-SHA-256",
            user,
            SecretStr(self.secrets[user]),
            self.certificates.ca,
        )

    def environment(self, user: str) -> dict[str, str]:
        """Settings of a process that is this user of both."""
        kafka, address = self.kafka(user), self.redis(user)
        return {
            "CTR_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "CTR_KAFKA_SECURITY": kafka.security,
            "CTR_KAFKA_MECHANISM": kafka.mechanism,
            "CTR_KAFKA_USERNAME": user,
            "CTR_KAFKA_PASSWORD": self.secrets[user],
            "CTR_KAFKA_CA": str(self.certificates.ca),
            "CTR_REDIS_URL": address.url,
            "CTR_REDIS_USERNAME": user,
            "CTR_REDIS_PASSWORD": self.secrets[user],
            "CTR_REDIS_CA": str(self.certificates.ca),
        }

    def parts(self, folder: Path, jars: Path, controller_port: int) -> list[Part]:
        """Both servers."""
        return [self._redis_part(folder), self._kafka_part(folder, jars, controller_port)]

    def _redis_part(self, folder: Path) -> Part:
        part = redis_part(folder=folder / "redis", port=0, maxmemory_mb=128)
        users = folder / "users.acl"
        users.write_text(access_list(self.secrets))
        options = {
            "tls-port": self.redis_port,
            "tls-cert-file": self.certificates.server,
            "tls-key-file": self.certificates.key,
            "tls-ca-cert-file": self.certificates.ca,
            "tls-auth-clients": "no",
            "aclfile": users,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return replace(part, command=(*part.command, *words), probe=self._redis_probe, ports=())

    def _redis_probe(self) -> Readiness:
        try:
            with connect(self.redis("scorer"), socket_timeout=2.0) as client:
                client.ping()
        except redis.RedisError as error:
            return Readiness(False, str(error))
        return Readiness(True, "answers PING")

    def _kafka_part(self, folder: Path, jars: Path, controller_port: int) -> Part:
        users = []
        for user in (ADMIN, *RIGHTS):
            secret = self.secrets[user]
            users += ["--add-scram", f'SCRAM-SHA-256=[name="{user}",password="{secret}"]']
        settings = {
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-256",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required "
                f'username="{ADMIN}" password="{ADMIN}";'
            ),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.certificates.ca),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificates.server_with_key),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The controller's own listener, which knows no users.
            "super.users": f"User:{ADMIN};User:ANONYMOUS",
        }
        part = kafka_part(
            folder=folder / "kafka",
            jars=jars,
            port=self.kafka_port,
            controller_port=controller_port,
            heap_mb=384,
            partitions=1,
            listener=Listener(self.kafka(ADMIN), settings, users),
        )
        return replace(part, on_ready=lambda: self._on_kafka(part))

    def _on_kafka(self, part: Part) -> None:
        part.on_ready()
        grant(AdminClient(client_settings(self.kafka(ADMIN))))
        # The controller has them; the broker hears of them a moment later.
        last = AdminClient(client_settings(self.kafka(list(RIGHTS)[-1])))
        while not last.list_topics(timeout=10).topics:
            time.sleep(0.05)
