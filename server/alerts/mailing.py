"""Mail over SMTP, by connections that the egress dialer makes."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from server.platform.egress import Dialer, TargetNotAllowed, Unreachable

TIMEOUT_S = 15.0


class NotDelivered(Exception):
    """The channel did not take it. `lasting`: it never will."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


class _Smtp(smtplib.SMTP):
    """SMTP over a connection that the dialer makes."""

    def __init__(self, dialer: Dialer, host: str, port: int, context: ssl.SSLContext | None):
        self._dialer, self._context = dialer, context
        super().__init__(host, port, timeout=TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found = self._dialer.connect(host, port, timeout)
        found.settimeout(timeout)
        return (
            found
            if self._context is None
            else self._context.wrap_socket(found, server_hostname=host)
        )


def send_mail(
    dialer: Dialer, settings: Mapping[str, Any], secrets: Mapping[str, str], mail: EmailMessage
) -> None:
    """Send a mail. Raises `NotDelivered`."""
    tls = settings["tls"]
    context = None if tls == "none" else ssl.create_default_context()
    try:
        with _Smtp(
            dialer, settings["host"], settings["port"], context if tls == "tls" else None
        ) as server:
            if tls == "starttls":
                server.starttls(context=context)
            if settings.get("username"):
                server.login(settings["username"], secrets.get("password", ""))
            server.send_message(mail)
    except TargetNotAllowed as problem:
        raise NotDelivered(problem.message) from None
    except smtplib.SMTPResponseException as problem:
        text = problem.smtp_error
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        lasting = 500 <= problem.smtp_code < 600
        raise NotDelivered(f"it answered {problem.smtp_code}: {said}", lasting=lasting) from None
    except (Unreachable, OSError, smtplib.SMTPException) as problem:
        raise NotDelivered(f"{type(problem).__name__}: {problem}") from None
