"""TLS and mutual TLS with certificates made on the spot, renewed while serving; limits of size."""

import os
from pathlib import Path

import grpc
import pytest
import trustme
from prometheus_client import CollectorRegistry

from schemas.proto.ctr.v1 import scorer_pb2
from schemas.settings import SharedSettings
from scorer.process import ScorerProcess
from scorer.requirements import StartError
from scorer.settings import ScorerSettings
from scorer.supervisor import Supervisor
from tests.scorer.publisher import ADS, Publisher, ad
from tests.scorer.running_scorer import KEYS, RunningScorer, eventually, refusal, stub_of
from tests.scorer.tiny_model import SPEC_FILE, TinyModel

REQUEST = scorer_pb2.RankRequest(request_id="r", user_id="u", limit=2)


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.root = self.ca.cert_pem.bytes()
        self.certificate, self.key = folder / "server.pem", folder / "server.key"
        self.client_ca = folder / "clients.pem"
        self.ca.cert_pem.write_to_path(self.client_ca)
        self.issue()

    def issue(self) -> None:
        """A certificate for the server, in place of the one before."""
        issued = self.ca.issue_cert("127.0.0.1")
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.key)

    def client(self) -> tuple[bytes, bytes]:
        """Key and certificate of a client."""
        issued = self.ca.issue_cert("ad-server")
        return issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()

    @property
    def settings(self) -> dict[str, Path]:
        return {"tls_certificate": self.certificate, "tls_key": self.key}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def published(publisher: Publisher, model: TinyModel) -> str:
    publisher.package(model.package)
    publisher.ads(*(ad(number) for number in range(ADS)))
    return model.version


def rank(address: str, credentials: grpc.ChannelCredentials) -> scorer_pb2.RankResponse:
    """On a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(address, credentials, options) as channel:
        answer: scorer_pb2.RankResponse = stub_of(channel).Rank(REQUEST, timeout=20)
        return answer


def test_tls_and_its_renewal(redis_url: str, published: str, authority: Authority) -> None:
    trusted = grpc.ssl_channel_credentials(authority.root)
    with RunningScorer(redis_url, dict(authority.settings)) as running:
        running.wait_for_model(published)
        assert len(rank(running.address, trusted).ads) == 2
        assert refusal(lambda: running.rank(timeout=5))[0] == grpc.StatusCode.UNAVAILABLE
        with grpc.secure_channel(running.address, trusted) as lasting:
            stub = stub_of(lasting)
            assert len(stub.Rank(REQUEST).ads) == 2
            authority.ca = trustme.CA()
            authority.issue()
            renewed = grpc.ssl_channel_credentials(authority.ca.cert_pem.bytes())
            assert len(rank(running.address, renewed).ads) == 2
            code, _ = refusal(lambda: rank(running.address, trusted))
            assert code == grpc.StatusCode.UNAVAILABLE
            assert len(stub.Rank(REQUEST).ads) == 2
            authority.certificate.write_text("damaged")
            os.utime(authority.certificate)
            assert len(rank(running.address, renewed).ads) == 2


def test_a_client_must_show_a_certificate(
    redis_url: str, published: str, authority: Authority
) -> None:
    mutual = {**authority.settings, "tls_client_ca": authority.client_ca}
    with RunningScorer(redis_url, dict(mutual)) as running:
        running.wait_for_model(published)
        known = grpc.ssl_channel_credentials(authority.root, *authority.client())
        assert len(rank(running.address, known).ads) == 2
        stranger = trustme.CA().issue_cert("ad-server")
        for credentials in (
            grpc.ssl_channel_credentials(authority.root),
            grpc.ssl_channel_credentials(
                authority.root,
                stranger.private_key_pem.bytes(),
                stranger.cert_chain_pems[0].bytes(),
            ),
        ):
            code, _ = refusal(lambda shown=credentials: rank(running.address, shown))  # type: ignore[misc]
            assert code == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tls_key": None}, "CTR_SCORER_TLS_KEY"),
        ({"tls_certificate": None, "tls_key": None, "tls_client_ca": "server.pem"},
         "CTR_SCORER_TLS_CERTIFICATE"),
        ({"tls_key": "clients.pem"}, "CTR_SCORER_TLS_KEY"),
        ({"tls_certificate": "absent.pem"}, "absent.pem"),
        ({"tls_client_ca": "server.key"}, "CTR_SCORER_TLS_CLIENT_CA"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    redis_url: str,
    tmp_path: Path,
    authority: Authority,
    change: dict[str, str | None],
    named: str,
) -> None:
    changed = {name: value and tmp_path / value for name, value in change.items()}
    shared = SharedSettings(redis_url=redis_url, features=str(SPEC_FILE), token_keys=KEYS)
    settings = ScorerSettings.model_validate({"port": 0, **authority.settings, **changed})
    with pytest.raises(StartError, match=named):
        ScorerProcess(shared, settings, CollectorRegistry())


def test_a_supervisor_does_not_start_what_cannot_serve(
    redis_url: str, authority: Authority
) -> None:
    """Its workers would die one after the other."""
    authority.certificate.write_text("damaged")
    shared = SharedSettings(redis_url=redis_url, features=str(SPEC_FILE), token_keys=KEYS)
    settings = ScorerSettings(port=0, workers=1, **authority.settings)  # type: ignore[arg-type]
    with pytest.raises(StartError, match="CTR_SCORER_TLS_CERTIFICATE"):
        Supervisor(shared, settings)


def test_large_requests_are_refused_unread(redis_url: str, scorer: RunningScorer) -> None:
    with RunningScorer(redis_url, {"max_request_bytes": 1_024}) as small:
        small.wait_for_model("v1")
        blocked = [f"an-ad-with-a-long-name-{number}" for number in range(100)]
        code, _ = refusal(lambda: small.rank(blocked_ad_ids=blocked))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        long = [("note", "x" * 20_000)]
        request = scorer_pb2.RankRequest(request_id="r", user_id="u")
        code, _ = refusal(lambda: small.stub.Rank(request, metadata=long))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        eventually(lambda: len(small.rank(limit=1).ads) == 1)
