"""The TLS certificate, checked before the server listens and loaded again on request."""

from __future__ import annotations

import logging
import ssl

from novaql import ArgumentError
from novaql.server.settings import Settings

log = logging.getLogger("novaql.server")


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return a context for TLS 1.2 and later with the certificate of the settings; None if they
    name none.

    Raises `ArgumentError` that names the file that is missing, malformed, or of another key.
    """
    if settings.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, settings)
    return context


def read_again(context: ssl.SSLContext, settings: Settings) -> None:
    """Load the certificate in the files again, for new connections.

    If it is invalid, the previous one remains in use, and the log has the reason.
    """
    try:
        tls_context(settings)  # into a separate context first, so that this one remains valid
        _load(context, settings)
    except ArgumentError as problem:
        log.error("the certificate is not replaced: %s", problem)  # noqa: TRY400 - the message suffices
    else:
        log.info("the certificate was read again")


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    assert settings.tls_cert is not None
    assert settings.tls_key is not None
    for name in ("tls_cert", "tls_key"):
        path = getattr(settings, name)
        try:
            text = path.read_bytes()
        except OSError as problem:
            raise ArgumentError(name, f"{path} cannot be read: {problem.strerror}") from None
        wanted = b"CERTIFICATE" if name == "tls_cert" else b"PRIVATE KEY"
        if b"-----BEGIN " not in text or wanted not in text:
            kind = "certificate" if name == "tls_cert" else "private key"
            raise ArgumentError(name, f"{path} holds no {kind} in PEM")
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, _no_password)
    except ssl.SSLError as problem:
        if problem.reason == "KEY_VALUES_MISMATCH":
            message = f"{settings.tls_key} is not the key of {settings.tls_cert}"
        else:
            message = f"{settings.tls_cert} and {settings.tls_key} cannot be used: {problem}"
        raise ArgumentError("tls_key", message) from None


def _no_password() -> str:
    raise ArgumentError("tls_key", "is encrypted; the server needs a key without a password")
