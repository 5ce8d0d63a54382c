"""OAuth 2.0 as a client: the code flow with PKCE, the device flow, and refreshes.

Pure functions build requests and read answers; the only requests are to the token endpoint and the
device endpoint of a provider. RFC 6749, 7636 (S256), 8628, 9207.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from novaql.fast_dataclass import dataclass
from novaql.server.integrations.exchange import Exchange
from novaql.server.integrations.provider import OAuthClient, ProviderFault, Reason
from novaql.server.integrations.web_urls import is_web_url

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USUAL_INTERVAL_S = 5.0
SLOWER_S = 5.0
"""What `slow_down` adds to the interval, for the rest of the flow."""
_LONGEST_TOKEN = 16_384
_LONGEST_INTERVAL_S = 3600.0


class Refused(Exception):
    """An error of the token endpoint, such as `invalid_grant`. `error` is the provider's code."""

    def __init__(self, error: str, interval_s: float | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.interval_s = interval_s


@dataclass(frozen=True, slots=True)
class Tokens:
    """The answer of a token endpoint. expires_at: None if the access token does not expire."""

    access_token: str
    refresh_token: str | None
    expires_at: datetime | None
    scope: str


@dataclass(frozen=True, slots=True)
class DeviceGrant:
    """The answer of a device endpoint."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in_s: float
    interval_s: float


def new_verifier() -> str:
    """Return a random code verifier, or `state`: 256 bits in base64url."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def authorize_url(client: OAuthClient, redirect_uri: str, state: str, verifier: str) -> str:
    """Return the URL that the user opens. It contains the challenge, not the verifier."""
    assert client.authorize_url is not None
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    if client.scopes:
        query["scope"] = " ".join(client.scopes)
    joint = "&" if urlsplit(client.authorize_url).query else "?"
    return f"{client.authorize_url}{joint}{urlencode(query)}"


def exchange_code(
    exchange: Exchange,
    client: OAuthClient,
    code: str,
    redirect_uri: str,
    verifier: str,
    now: datetime,
) -> Tokens:
    """Redeem a code. Raises `Refused` or `ProviderFault`."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    return _tokens(exchange, client, form, now)


def refresh(exchange: Exchange, client: OAuthClient, token: str, now: datetime) -> Tokens:
    """Get a new access token. Raises `Refused` or `ProviderFault`."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return _tokens(exchange, client, form, now)


def poll_device(exchange: Exchange, client: OAuthClient, device_code: str, now: datetime) -> Tokens:
    """Request the tokens. Raises `Refused`: `authorization_pending` until the user has finished."""
    form = {"grant_type": DEVICE_GRANT, "device_code": device_code}
    return _tokens(exchange, client, form, now)


def begin_device(exchange: Exchange, client: OAuthClient) -> DeviceGrant:
    """Begin a device flow. Raises `Refused` or `ProviderFault`."""
    assert client.device_url is not None
    form = {"client_id": client.client_id}
    if client.scopes:
        form["scope"] = " ".join(client.scopes)
    answer = _object(exchange, client.device_url, form)
    interval = _seconds(answer, "interval", USUAL_INTERVAL_S)
    complete = answer.get("verification_uri_complete")
    return DeviceGrant(
        _text(answer, "device_code"),
        _text(answer, "user_code"),
        _web_url(_text(answer, "verification_uri")),
        _web_url(complete) if isinstance(complete, str) else None,
        _seconds(answer, "expires_in", 900.0),
        min(max(interval, 1.0), _LONGEST_INTERVAL_S),
    )


def _tokens(
    exchange: Exchange, client: OAuthClient, form: Mapping[str, str], now: datetime
) -> Tokens:
    own = {**form, "client_id": client.client_id}
    if client.client_secret is not None:
        own["client_secret"] = client.client_secret
    answer = _object(exchange, client.token_url, own)
    if str(answer.get("token_type", "bearer")).lower() != "bearer":
        raise ProviderFault(Reason.PROVIDER_ERROR, "the token is not a bearer token")
    again = answer.get("refresh_token")
    expires = _seconds(answer, "expires_in", 0.0)
    return Tokens(
        _text(answer, "access_token"),
        _text(answer, "refresh_token") if isinstance(again, str) and again else None,
        now + timedelta(seconds=expires) if expires else None,
        str(answer.get("scope", ""))[:2000],
    )


def _object(exchange: Exchange, url: str, form: Mapping[str, str]) -> Mapping[str, Any]:
    """Send a form, and return the object of the answer. Some providers send errors with status
    200."""
    reply = exchange.send("POST", url, form=form, any_status=True)
    answer = reply.json
    if isinstance(answer, dict) and isinstance(answer.get("error"), str):
        interval = answer.get("interval")
        given = None
        if isinstance(interval, int | float) and interval > 0:
            given = min(float(interval), _LONGEST_INTERVAL_S)
        raise Refused(answer["error"][:100], given)
    if reply.status == 429:
        raise exchange.fault_of(reply.status, reply.headers)
    if not 200 <= reply.status < 300 or not isinstance(answer, dict):
        raise ProviderFault(
            Reason.PROVIDER_ERROR, f"the token endpoint answers with status {reply.status}"
        )
    return answer


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TOKEN:
        raise ProviderFault(Reason.PROVIDER_ERROR, f"the answer has no {name}")
    return value


def _seconds(answer: Mapping[str, Any], name: str, usual: float) -> float:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return usual
    try:
        found = float(value)
    except ValueError:
        return usual
    return min(found, 10 * 365 * 86_400.0) if found > 0 else usual


def _web_url(text: str) -> str:
    """A URL that a person opens in a browser."""
    if not is_web_url(text):
        raise ProviderFault(Reason.PROVIDER_ERROR, "the verification URL is not a web page")
    return text
