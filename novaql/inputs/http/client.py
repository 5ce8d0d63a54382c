"""The HTTP client of the library: http and https only, without proxies."""

from __future__ import annotations

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from novaql.errors import InputError

if TYPE_CHECKING:
    from http.client import HTTPResponse


class HttpStatus(InputError):
    """The answer has an error status. text: the beginning of the body."""

    def __init__(self, message: str, status: int = 0, text: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.text = text


@contextmanager
def answer_to(
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Iterator[HTTPResponse]:
    """The answer to a GET, or to a POST of a body. Raises `InputError`, also while it is read, and
    `HttpStatus` for an answer that is an error. A redirection to another host, or from
    https to http, gets no credentials.

    url      http or https; a user and a password in it become basic authentication
    timeout  seconds for the connection and for each read
    """
    plain, own = without_credentials(url)
    sent = {"User-Agent": "NovaQL", **own, **(headers or {})}
    request = urllib.request.Request(plain, data=body, headers=sent)  # noqa: S310 - checked above
    try:
        with _opener().open(request, timeout=timeout) as answer:
            yield answer
    except urllib.error.HTTPError as problem:
        with problem:
            text = problem.read(300).decode("utf-8", "replace").strip()
            status = f"{problem.code} {problem.reason}"
        message = f"{plain}: the target answered {status}{_quoted(text)}"
        raise HttpStatus(message, problem.code, text) from None
    except TimeoutError:
        raise InputError(f"{plain}: no complete answer within {timeout:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        reason: object = getattr(problem, "reason", None) or problem
        if isinstance(reason, TimeoutError):
            reason = f"no connection within {timeout:g} s"
        elif isinstance(reason, ssl.SSLError) and reason.reason == "WRONG_VERSION_NUMBER":
            reason = "the server does not speak TLS: write http:// in place of https://"
        elif isinstance(reason, ConnectionRefusedError):
            reason = f"{reason.strerror}: no program listens there"
        elif isinstance(reason, OSError):
            reason = reason.strerror or reason
        raise InputError(f"{plain}: {reason}") from problem


def without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The address without user and password, and a header with them. Raises `InputError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise InputError(f"{url}: only http and https addresses can be read")
    if not parts.hostname:
        raise InputError(f"{url} names no host, as in http://localhost:9090")
    user, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    name, _, password = user.partition(":")
    plain = urlunsplit(parts._replace(netloc=place))
    return plain, {"Authorization": basic_authentication(unquote(name), unquote(password))}


def basic_authentication(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _quoted(text: str) -> str:
    first = text.splitlines()[0] if text and not text.startswith("<") else ""
    return f": {first[:200]}" if first else ""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections; credentials stay with the host that they are for, and encrypted."""

    def redirect_request(self, req: urllib.request.Request, *arguments: Any) -> Any:
        found = super().redirect_request(req, *arguments)
        if found is not None and (
            found.host != req.host or (req.type == "https" and found.type != "https")
        ):
            found.remove_header("Authorization")
        return found


@cache
def _opener() -> urllib.request.OpenerDirector:
    """An opener for http and https only, redirects included, without proxies."""
    opener = urllib.request.OpenerDirector()
    handlers: tuple[Any, ...] = (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    )
    for handler in handlers:
        opener.add_handler(handler)
    return opener
