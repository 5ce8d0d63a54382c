"""Mail over SMTP, through connections of the egress dialer.

It verifies certificates against the trust store of the system, or `SSL_CERT_FILE`.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from io import BufferedReader
from typing import Any

from novaql.server.egress.dialer import Dialer
from novaql.server.egress.errors import TargetNotAllowed, Unreachable
from novaql.server.tenants.context import ServerContext

TIMEOUT_S = 15.0
"""For each step. `Tuning.mail_s` bounds the whole mail, also if a server sends byte by byte."""


_MOST_REPLY = 64 << 10
"""Bytes of a reply in all its lines; smtplib bounds only each line."""


class NotDelivered(Exception):
    """The delivery failed. If `lasting`, a retry would fail, too."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


class _Replies:
    """The lines that a mail server sends, with a limit for each reply."""

    def __init__(self, lines: BufferedReader) -> None:
        self._lines = lines
        self._left = 0

    def begin(self) -> None:
        """Begin the next reply."""
        self._left = _MOST_REPLY

    def readline(self, size: int) -> bytes:
        line = self._lines.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError(f"the reply is larger than {_MOST_REPLY} bytes")
        return line

    def close(self) -> None:
        self._lines.close()


class _Smtp(smtplib.SMTP):
    """SMTP over a connection of the dialer."""

    def __init__(
        self,
        dialer: Dialer,
        settings: Mapping[str, Any],
        context: ssl.SSLContext | None,
        limit_s: float,
    ):
        self._dialer, self._context = dialer, context
        self._end: socket.socket | None = None
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True
        try:
            super().__init__(settings["host"], settings["port"], timeout=TIMEOUT_S)
        except BaseException:
            self._timer.cancel()
            self._close_copy()
            raise

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            assert self.sock is not None
            self.file = _Replies(self.sock.makefile("rb"))
        self.file.begin()
        return super().getreply()

    def close(self) -> None:
        self._timer.cancel()
        super().close()
        self._close_copy()

    def _cut(self) -> None:
        if (end := self._end) is not None:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _close_copy(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end.close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found = self._dialer.connect(host, port, timeout)
        found.settimeout(timeout)
        self._end = found.dup()  # a copy that remains open when TLS takes over the socket
        self._timer.start()
        return (
            found
            if self._context is None
            else self._context.wrap_socket(found, server_hostname=host)
        )


def send_mail(
    context: ServerContext,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    mail: EmailMessage,
) -> str:
    """Send a mail. Returns a note if the server refused some of the recipients.

    Raises `NotDelivered`. A mail that the server has accepted counts as delivered, even if the
    connection then fails: a retry would deliver it twice.
    """
    tls = settings["tls"]
    limit_s = context.tuning.mail_s
    ssl_context = None if tls == "none" else ssl.create_default_context()
    began = time.monotonic()
    try:
        first = ssl_context if tls == "tls" else None
        server = _Smtp(context.dialer, settings, first, limit_s)
        try:
            if tls == "starttls":
                server.starttls(context=ssl_context)
            if settings.get("username"):
                _log_in(server, settings["username"], secrets.get("password", ""))
            refused = server.send_message(mail)
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            server.close()
    except TargetNotAllowed as problem:
        raise NotDelivered(problem.message) from None
    except (Unreachable, OSError, smtplib.SMTPException) as problem:
        if time.monotonic() - began >= limit_s:
            raise NotDelivered(f"it took longer than {limit_s:g} s") from None
        raise _not_delivered(problem) from None
    return _refusals(refused) if refused else ""


def _log_in(server: smtplib.SMTP, username: str, password: str) -> None:
    if not (username + password).isascii():  # smtplib encodes no others
        text = "the login failed: the user name and the password must be ASCII"
        raise NotDelivered(text, lasting=True)
    try:
        server.login(username, password)
    except ValueError:  # it does not decode
        raise NotDelivered("the login failed: the server sent an invalid challenge") from None


def _not_delivered(problem: Exception) -> NotDelivered:
    match problem:
        case smtplib.SMTPResponseException():
            reply = _reply(problem.smtp_code, problem.smtp_error)
            return NotDelivered(f"it answered {reply}", lasting=500 <= problem.smtp_code < 600)
        case smtplib.SMTPRecipientsRefused():
            lasting = all(500 <= code < 600 for code, _ in problem.recipients.values())
            return NotDelivered(_refusals(problem.recipients), lasting=lasting)
    return NotDelivered(f"{type(problem).__name__}: {problem}")


def _refusals(recipients: Mapping[str, tuple[int, bytes]]) -> str:
    refused = (f"{address}: {_reply(code, text)}" for address, (code, text) in recipients.items())
    return f"refused were {'; '.join(refused)}"


def _reply(code: int, text: bytes | str) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code}: {shown}"
