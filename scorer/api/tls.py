"""TLS of the gRPC port: certificates from files, read again when they are renewed."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from scorer.settings import ScorerSettings

_log = structlog.get_logger(__name__)


class TlsError(ValueError):
    """Certificates that cannot be used; the message names the setting."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Server's chain and key (PEM); with ``client_ca`` a client must show one of its children."""

    certificate: Path
    key: Path
    client_ca: Path | None

    @classmethod
    def of(cls, settings: ScorerSettings) -> "TlsFiles | None":
        """None: no TLS. Raises TlsError if only a part of it is set."""
        certificate, key = settings.tls_certificate, settings.tls_key
        if certificate is not None and key is not None:
            return cls(certificate, key, settings.tls_client_ca)
        given = {
            "CTR_SCORER_TLS_CERTIFICATE": certificate,
            "CTR_SCORER_TLS_KEY": key,
            "CTR_SCORER_TLS_CLIENT_CA": settings.tls_client_ca,
        }
        if not any(given.values()):
            return None
        missing = next(name for name, path in given.items() if path is None)
        raise TlsError(f"{missing}: is needed, too, where another setting of TLS is there")

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Raises TlsError if a file cannot be read, or the key is not the certificate's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(
                "CTR_SCORER_TLS_CERTIFICATE, CTR_SCORER_TLS_KEY: expected a certificate and its "
                f"key in {self.certificate} and {self.key}: {error}"
            ) from None
        roots = None
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise TlsError(
                    f"CTR_SCORER_TLS_CLIENT_CA: expected certificates in {self.client_ca}: {error}"
                ) from None
            roots = self.client_ca.read_bytes()
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], roots)

    def changed_ns(self) -> tuple[int, ...]:
        """When the files were last changed; 0 for one that is away just now."""
        paths = (self.certificate, self.key, self.client_ca)
        return tuple(_changed_ns(path) for path in paths if path is not None)


class RenewedCertificates:
    """Called at each handshake: new files serve new connections, broken ones are told of once."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises TlsError if the files cannot be used."""
        self._files = files
        self._seen = files.changed_ns()
        self.first = files.read()

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificates, if they have changed."""
        changed = self._files.changed_ns()
        if changed == self._seen:
            return None
        self._seen = changed
        try:
            renewed = self._files.read()
        except TlsError as error:
            _log.error("new certificates are not used, the old ones stay", reason=str(error))
            return None
        _log.info("certificates renewed")
        return renewed


def credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """For a port. Raises TlsError if the files cannot be used."""
    certificates = RenewedCertificates(files)
    return grpc.dynamic_ssl_server_credentials(
        certificates.first,
        certificates,  # type: ignore[arg-type]  # the stub forgets that None means: no change
        require_client_authentication=files.client_ca is not None,
    )


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
