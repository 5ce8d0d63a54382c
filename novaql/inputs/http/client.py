"""The HTTP client of the library: http and https only, without proxies."""

from __future__ import annotations

import base64
import http.client
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


@contextmanager
def answer_to(
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Iterator[HTTPResponse]:
    """The answer to a GET, or to a POST of a body. Raises `InputError`, also while it is read.

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
        raise InputError(f"{plain}: the target answered {status}{_quoted(text)}") from None
    except TimeoutError:
        raise InputError(f"{plain}: no complete answer within {timeout:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        reason: object = getattr(problem, "reason", None) or problem
        if isinstance(reason, TimeoutError):
            reason = f"no connection within {timeout:g} s"
        raise InputError(f"{plain}: {reason}") from problem


def without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The address without user and password, and a header with them. Raises `InputError`."""
    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"{url}: only http and https addresses can be read")
    parts = urlsplit(url)
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


@cache
def _opener() -> urllib.request.OpenerDirector:
    """An opener for http and https only, redirects included, without proxies."""
    opener = urllib.request.OpenerDirector()
    handlers: tuple[Any, ...] = (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    )
    for handler in handlers:
        opener.add_handler(handler)
    return opener
