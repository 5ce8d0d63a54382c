"""Mail channels against a real SMTP server."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from novaql.server.notifications.mail import NotDelivered, send_mail
from novaql.server.tuning import Tuning
from tests.support.peers.mail_server import PASSWORD, USER, Mailbox, certificate_for, mail_server
from tests.support.servers.alert_rig import AlertRig


def sent(rig: AlertRig, box: Mailbox, **settings: Any) -> dict[str, Any]:
    """A mail channel, and an alert that it is to tell; the log's entry."""
    usual = {
        "host": "127.0.0.1",
        "port": box.port,
        "tls": "none",
        "from": "nova@example.com",
        "to": ["ops@example.com"],
    }
    body = {"name": "mail", "type": "email", "email": {**usual, **settings}}
    rig.post("/v1/notification-channels", body)
    rig.rule(channels=["mail"], annotations={"summary": "Zürich\nis down"})
    rig.post("/v1/alert-routing", {"route": {"group_wait": "0s"}})
    rig.now(a=0.0)
    (row,) = rig.get("/v1/notifications")["data"]
    told: dict[str, Any] = row
    return told


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A certificate for this machine that the system trusts."""
    made = certificate_for(tmp_path, "127.0.0.1", "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(made[0]))
    return made


@pytest.mark.slow
def test_what_arrives(one: AlertRig) -> None:
    with mail_server("none") as box:
        row = sent(one, box, to=["ops@example.com", "night@example.com"])
    (mail,) = box.mails

    assert row["status"] == "sent"
    assert mail["Subject"] == "[FIRING:1] Down"
    assert mail["To"] == "ops@example.com, night@example.com"
    assert mail["Message-ID"] == f"<{row['id']}@novaql>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().startswith("firing: Zürich\r\nis down {")


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # it does not see the TLS around it
@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_encrypted_and_with_a_login(one: AlertRig, trusted: tuple[Path, Path], tls: str) -> None:
    with mail_server(tls, trusted, logins=True) as box:
        row = sent(one, box, tls=tls, username=USER, password=PASSWORD)

    assert (row["status"], row["error"]) == ("sent", None)
    assert (box.encrypted, box.users) == ([True], [USER])
    assert PASSWORD not in one.ask("GET", "/v1/notification-channels").text


def test_a_wrong_password_is_final(one: AlertRig, trusted: tuple[Path, Path]) -> None:
    with mail_server("starttls", trusted, logins=True) as box:
        row = sent(one, box, tls="starttls", username=USER, password="wrong")

    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["error"].startswith("it answered 535")
    assert "wrong" not in row["error"]
    assert box.mails == []


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_that_nobody_trusts_gets_no_mail(
    one: AlertRig, tmp_path: Path, tls: str
) -> None:
    with mail_server(tls, certificate_for(tmp_path, "127.0.0.1")) as box:
        row = sent(one, box, tls=tls)

    assert (row["status"], box.mails) == ("pending", [])
    assert "certificate" in row["error"].lower()


def test_a_certificate_for_somebody_else_gets_no_mail(
    one: AlertRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate_for(tmp_path, "other.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(made[0]))
    with mail_server("starttls", made) as box:
        row = sent(one, box, tls="starttls")

    assert (row["status"], box.mails) == ("pending", [])
    assert "127.0.0.1" in row["error"]


def test_without_starttls_nothing_goes_out_in_clear(one: AlertRig) -> None:
    with mail_server("none") as box:
        row = sent(one, box, tls="starttls")

    assert (row["status"], box.mails) == ("pending", [])
    assert "STARTTLS" in row["error"]


def test_a_password_is_not_sent_in_clear(one: AlertRig) -> None:
    settings = {
        "host": "127.0.0.1",
        "tls": "none",
        "from": "a@example.com",
        "to": ["b@example.com"],
        "username": USER,
        "password": PASSWORD,
    }
    body = {"name": "mail", "type": "email", "email": settings}
    refused = one.ask("POST", "/v1/notification-channels", body)

    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["pointer"] == "/email/tls"


def test_some_recipients_are_refused(one: AlertRig) -> None:
    with mail_server("none") as box:
        box.refuse.add("gone@example.com")
        row = sent(one, box, to=["gone@example.com", "ops@example.com"])

    assert row["status"] == "sent"
    assert row["error"] == "refused were gone@example.com: 550: nobody of that name"
    assert len(box.mails) == 1


def test_all_recipients_are_refused(one: AlertRig) -> None:
    with mail_server("none") as box:
        box.refuse.add("ops@example.com")
        row = sent(one, box)

    assert (row["status"], row["attempts"], box.mails) == ("failed", 1, [])


def talking(*lines: bytes, pause_s: float = 0.0) -> tuple[Mailbox, socket.socket]:
    """A server that says its lines, one for each that it hears, whatever that is."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening.accept()[0] as peer:
            for number, line in enumerate(lines):
                if number and not pause_s:
                    peer.recv(65_536)
                try:
                    peer.sendall(line)
                except OSError:
                    return
                time.sleep(pause_s)

    threading.Thread(target=serve, daemon=True).start()
    return Mailbox(listening.getsockname()[1]), listening


def test_a_mail_that_was_taken_is_not_sent_again_however_it_ends(one: AlertRig) -> None:
    ok = b"250 ok\r\n"
    box, listening = talking(b"220 hi\r\n", ok, ok, ok, b"354 go on\r\n", ok, b"500 what?\r\n")
    with listening:
        row = sent(one, box)

    assert (row["status"], row["attempts"]) == ("sent", 1)


@pytest.mark.slow
@pytest.mark.parametrize("tuning", [Tuning(mail_s=0.5)])
def test_a_server_that_trickles_is_cut_off(one: AlertRig) -> None:
    box, listening = talking(*[b"2"] * 200, pause_s=0.1)
    began = time.monotonic()
    with listening:
        row = sent(one, box)

    assert row["error"] == "it took longer than 0.5 s"
    assert time.monotonic() - began < 15


def problem_of(one: AlertRig, listening: socket.socket, **login: str) -> NotDelivered:
    """The error of a mail to a server that `talking` made."""
    settings = {"host": "127.0.0.1", "port": listening.getsockname()[1], "tls": "none"}
    mail = EmailMessage()
    mail["From"], mail["To"] = "nova@example.com", "ops@example.com"
    username = {"username": login["username"]} if login else {}
    with listening, pytest.raises(NotDelivered) as found:
        send_mail(one.server.context, {**settings, **username}, login, mail)
    return found.value


def test_an_endless_reply_is_not_collected(one: AlertRig) -> None:
    line = b"220-" + b"a" * 4000 + b"\r\n"
    tracemalloc.start()
    try:
        problem = problem_of(one, talking(line * 8000)[1])
        most = tracemalloc.get_traced_memory()[1] - len(line) * 8000
    finally:
        tracemalloc.stop()

    assert "larger than 65536 bytes" in str(problem)
    assert most < 2 << 20


def test_a_challenge_that_is_not_base64(one: AlertRig) -> None:
    hello = b"250-mail\r\n250 AUTH CRAM-MD5\r\n"
    listening = talking(b"220 hi\r\n", hello, b"334 !!!a\r\n")[1]
    problem = problem_of(one, listening, username=USER, password=PASSWORD)

    assert str(problem) == "the login failed: the server sent an invalid challenge"
    assert not problem.lasting


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize(("username", "password"), [("növa", "x"), ("nova", "pässword")])
def test_a_login_that_smtp_cannot_send_is_final(
    one: AlertRig, mechanism: str, username: str, password: str
) -> None:
    hello = f"250-mail\r\n250 AUTH {mechanism}\r\n".encode()
    answers = [b"334 YWJj\r\n"] * 3
    listening = talking(b"220 hi\r\n", hello, *answers)[1]
    problem = problem_of(one, listening, username=username, password=password)

    assert str(problem) == "the login failed: the user name and the password must be ASCII"
    assert problem.lasting
