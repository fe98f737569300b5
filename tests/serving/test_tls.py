"""The prediction service over TLS, with a certificate made here."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from data.apikeys import make_api_key
from keepfit.errors import ServiceUnavailable, StackError
from keepfit.settings import Settings
from keepfit.tls import client_context, server_options
from serving.client import Client
from serving.contract import LabelRow, Row
from tests.builders import ROW
from tests.certificates import Certified, certify
from tests.serving.running import Server


@pytest.fixture
def files(tmp_path: Path) -> Certified:
    return certify(tmp_path)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    files = certify(folder)
    _, key = make_api_key(folder / "api.json", "all", ["predict", "feedback", "read"])
    told = {
        "tls_cert": files.cert,
        "tls_key": files.key,
        "tls_ca": files.authority,
        "api_keys": folder / "api.json",
    }
    server = Server(
        folder / "home", access="keys", workers=1, name="localhost", **{n: str(v) for n, v in told.items()}
    )
    server.promote(1)
    server.start()
    server.client = Client(server.url, key=key, trusted=client_context(server.settings))
    yield server
    assert server.stop() == 0


@pytest.mark.e2e
def test_predictions_and_labels_travel_over_tls(secured: Server) -> None:
    assert secured.url.startswith("https://localhost:")
    answer = secured.client.predict([Row(ROW)])
    label = LabelRow(1.0, prediction_id=answer.predictions[0].prediction_id)
    assert secured.client.feedback([label]).accepted == 1
    assert secured.labels()[-1].source == "http:all"


@pytest.mark.e2e
def test_a_client_that_does_not_know_the_authority_sends_nothing(secured: Server) -> None:
    kept = len(secured.entries())
    stranger = Client(secured.url, retries=0, key="secret")
    with pytest.raises(ServiceUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.predict([Row(ROW)])
    assert len(secured.entries()) == kept


@pytest.mark.e2e
@pytest.mark.parametrize(
    "said", [b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n", b"\x16\x03\x01\x00"]
)
def test_who_speaks_no_tls_is_told_nothing_and_disturbs_nobody(secured: Server, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", secured.settings.serving_port), timeout=30) as caller:
        caller.sendall(said)
        caller.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 200" not in caller.recv(4096)
    assert secured.client.is_live()


@pytest.mark.e2e
def test_versions_of_tls_that_are_broken_are_refused(secured: Server) -> None:
    old = ssl.create_default_context(cafile=secured.settings.tls_ca)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    address = ("127.0.0.1", secured.settings.serving_port)
    with socket.create_connection(address) as line, pytest.raises(ssl.SSLError):
        old.wrap_socket(line, server_hostname="localhost")


def test_a_certificate_without_its_key_is_refused(files: Certified) -> None:
    with pytest.raises(StackError, match="one is set; set both, or neither"):
        server_options(Settings(tls_cert=str(files.cert)))


def test_a_key_of_another_certificate_is_refused(files: Certified, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(StackError, match=r"no certificate with its key in PEM: .*mismatch"):
        server_options(Settings(tls_cert=str(files.cert), tls_key=str(certify(other).key)))


def test_an_encrypted_key_is_refused_and_no_terminal_is_asked(files: Certified) -> None:
    key = load_pem_private_key(files.key.read_bytes(), password=None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    files.key.write_bytes(locked)
    with pytest.raises(StackError, match="the key is encrypted; give one that is not"):
        server_options(Settings(tls_cert=str(files.cert), tls_key=str(files.key)))


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_options(Settings()) == {}
    assert client_context(Settings()) is None


@pytest.mark.parametrize("variable", ["KEEPFIT_TLS_CERT", "KEEPFIT_TLS_KEY", "KEEPFIT_TLS_CA"])
def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "/nothing/here.pem")
    with pytest.raises(StackError, match=f"{variable}='/nothing/here.pem': there is no such file"):
        Settings.from_env()
