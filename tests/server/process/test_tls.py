"""TLS by two settings: with one process and with workers, and a new certificate by SIGHUP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509

from tests.support.peers.certificates import write_certificate
from tests.support.repository.files import ROOT
from tests.support.servers.http_server import server_process

pytestmark = pytest.mark.slow


def serials(url: str, count: int = 8) -> set[int]:
    """Serial numbers of the certificates that new connections are shown."""
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    shown = [ssl.get_server_certificate((where.hostname, where.port)) for _ in range(count)]
    return {x509.load_pem_x509_certificate(text.encode()).serial_number for text in shown}


@pytest.mark.parametrize("workers", [1, 2])
def test_tls_and_a_new_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    cert, key = write_certificate(tmp_path / "tls", serial=1)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    arguments = ("--workers", str(workers), "--tls-cert", str(cert), "--tls-key", str(key))
    with server_process(tmp_path / "data", *arguments) as server:
        assert server.url.startswith("https://")
        bearer = {"Authorization": f"Bearer {server.token}"}
        answer = httpx.get(f"{server.url}/scim/v2/Schemas", headers=bearer, timeout=30)
        assert answer.json()["Resources"][0]["meta"]["location"].startswith(server.url)
        asked = httpx.post(
            f"{server.url}/v1/novaql", json={"query": "1"}, headers=bearer, timeout=30
        )
        assert asked.status_code == 200
        assert serials(server.url) == {1}

        renewed = write_certificate(tmp_path / "new", serial=2)
        for new, old in zip(renewed, (cert, key), strict=True):
            shutil.move(new, old)
        server.process.send_signal(signal.SIGHUP)
        log = tmp_path / "data.log"
        # All of a few connections can go to one process: each says in the log that it is done.
        end = time.monotonic() + 30
        while log.read_text().count("the certificate was read again") < workers:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert serials(server.url) == {2}

        key.write_text("no key")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert serials(server.url) == {2}
        assert "the certificate is not replaced" in log.read_text()

        where = urlsplit(server.url)
        with socket.create_connection((where.hostname or "", where.port or 0), 30) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" not in plain.recv(4096)
        assert server.stop() == 0


STARTS = """
import contextlib, io, json, sys
from novaql.server.__main__ import main

for arguments in json.load(sys.stdin):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(arguments)
    print(json.dumps([code, said.getvalue()]))
"""


def refused(data: Path, starts: Sequence[Sequence[str]]) -> Iterator[str]:
    """What a server says that does not start, for each of the starts of one process."""
    common = ["--data", str(data), "--listen", ":0"]
    ended = subprocess.run(
        [sys.executable, "-c", STARTS],
        input=json.dumps([[*common, *arguments] for arguments in starts]),
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("NOVAQL_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for line in ended.stdout.splitlines():
        code, said = json.loads(line)
        assert code == 2, said
        assert "Traceback" not in said
        yield said
    assert not data.exists()


def test_files_that_cannot_be_used_end_the_start(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path / "one")
    _, other = write_certificate(tmp_path / "two")
    _, locked = write_certificate(tmp_path / "three", password=b"secret")
    missing = tmp_path / "missing.pem"

    def tls(cert: Path, key: Path) -> tuple[str, ...]:
        return ("--tls-cert", str(cert), "--tls-key", str(key))

    cases = {
        ("--tls-cert", str(cert)): "tls_key: is needed, too",
        ("--tls-key", str(key)): "tls_cert: is needed, too",
        tls(missing, key): f"tls_cert: {missing} cannot be read",
        tls(cert, missing): f"tls_key: {missing} cannot be read",
        tls(cert, other): f"{other} is not the key of {cert}",
        tls(key, cert): f"tls_cert: {key} holds no certificate",
        tls(cert, locked): "tls_key: is encrypted",
    }
    said = list(refused(tmp_path / "data", list(cases)))
    for expected, text in zip(cases.values(), said, strict=True):
        assert expected in text


def test_a_public_address_without_tls_is_warned_of(tmp_path: Path) -> None:
    for host, warned in (("0.0.0.0", True), ("127.0.0.1", False)):
        data = tmp_path / host
        with server_process(data, "--listen", f"{host}:0") as server:
            assert server.process.poll() is None
        assert ("unencrypted" in (tmp_path / f"{host}.log").read_text()) is warned
