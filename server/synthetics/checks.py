"""Checks of a new synthetic check before its transaction: its target, patterns and steps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from novaql.server.egress.errors import TargetNotAllowed
from novaql.server.errors import Impossible, impossible, invalid
from novaql.server.http.preparing import Preparation, checked
from novaql.server.probes import assertions
from novaql.server.probes.browser.model import Fill, Goto
from novaql.server.probes.browser_check import check_flow, unavailable
from novaql.server.probes.masking import names_in
from novaql.server.probes.tcp_check import endpoint_of
from novaql.server.settings import Settings
from novaql.server.synthetics.schema import CreateSynthetic

USUAL_TIMEOUT = timedelta(seconds=10)
BROWSER_TIMEOUT = timedelta(seconds=30)
_TAG = 2
"""The place of the action in the location of an error in a step, which is not in the body."""
SHORTEST_BROWSER_S = 5.0
"""A browser needs a second or more to start, and half of the timeout is for the steps."""
_NOT_TO_SET = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"),
        *("te", "trailer", "expect", "proxy-connection"),
    }
)
"""Headers of the runner: they belong to the target, or to the framing of the request."""
_FIELDS = {
    "http": ("method", "headers", "body", "follow_redirects"),
    "tcp": ("tls", "send", "expect"),
    "browser": ("steps",),
}
_SOURCES = {
    "http": frozenset({"status", "body", "json", "header", "latency", "certificate", "dns"}),
    "tcp": frozenset({"body", "latency", "certificate", "dns"}),
    "browser": frozenset(),
}


async def checked_synthetic(request: Request, body: CreateSynthetic) -> None:
    """Reject a check that cannot run, and a target that the egress rules do not allow."""
    await checked(request, body, _check)


def timeout_of(body: CreateSynthetic, settings: Settings) -> timedelta:
    """Return the timeout of one attempt."""
    if body.timeout is not None:
        return body.timeout
    usual = BROWSER_TIMEOUT if body.type == "browser" else USUAL_TIMEOUT
    return min(usual, timedelta(seconds=settings.probe_max_timeout_s))


def _check(preparation: Preparation) -> None:
    body: CreateSynthetic = preparation.body
    settings = preparation.context.settings
    _check_times(body, settings)
    _check_fields(body)
    _check_regions(body, settings)
    _check_secrets(body)
    _check_patterns(body)
    try:
        if body.type == "tcp":
            preparation.context.dialer.check_host(*endpoint_of(body.target))
        else:
            preparation.context.dialer.check_url(body.target)
    except TargetNotAllowed:
        raise _not_allowed("the target is not a public address") from None
    except (Impossible, ValueError) as problem:
        raise _not_allowed(str(problem)) from None
    if body.type == "browser":
        _check_browser(preparation)


def _not_allowed(message: str) -> Impossible:
    return impossible("/target", message, "target_not_allowed")


def _check_times(body: CreateSynthetic, settings: Settings) -> None:
    shortest = settings.min_synthetic_interval_s
    if not shortest <= body.interval.total_seconds() <= 86_400:
        raise invalid("/interval", f"must be from {shortest:g}s to 1d")
    timeout_s, most = timeout_of(body, settings).total_seconds(), settings.probe_max_timeout_s
    if not 0 < timeout_s <= most:
        raise invalid("/timeout", f"must be more than 0s, up to {most:g}s")
    if body.type == "browser" and timeout_s < SHORTEST_BROWSER_S:
        message = f"must be from {SHORTEST_BROWSER_S:g}s to {most:g}s: a browser starts first"
        raise invalid("/timeout", message)


def _check_fields(body: CreateSynthetic) -> None:
    for kind, fields in _FIELDS.items():
        for field in fields:
            if kind != body.type and getattr(body, field) is not None:
                raise invalid(f"/{field}", f"belongs to {kind} checks")
    if body.type == "browser" and not body.steps:
        raise invalid("/steps", "a browser check needs steps")
    for number, one in enumerate(body.assertions):
        if one.source not in _SOURCES[body.type]:
            message = f"a {body.type} check has no {one.source}"
            raise invalid(f"/assertions/{number}/source", message)
    for name in body.headers or {}:
        if name.lower() in _NOT_TO_SET:
            raise invalid(f"/headers/{name}", "the runner sets this header")


def _check_regions(body: CreateSynthetic, settings: Settings) -> None:
    regions = body.regions
    if regions is None:
        if not settings.probe_region:
            raise invalid("/regions", "this server has no runner of its own: name the regions")
        regions = [settings.probe_region]
    if len(set(regions)) < len(regions):
        raise invalid("/regions", "a region is named twice")
    if body.min_failing_regions > len(regions):
        raise invalid("/min_failing_regions", f"the check has {len(regions)} regions")


def _check_secrets(body: CreateSynthetic) -> None:
    texts: list[tuple[str, str]] = [
        *((f"/headers/{name}", value) for name, value in (body.headers or {}).items()),
        ("/body", body.body or ""),
        ("/send", body.send or ""),
    ]
    for pointer, text in texts:
        for name in sorted(names_in(text) - body.secrets.keys()):
            raise invalid(pointer, f"there is no secret {name}")
    for name, value in body.secrets.items():
        if any(ord(c) < 32 or ord(c) == 127 for c in value) and _in_headers(body, name):
            raise invalid(f"/secrets/{name}", "a header cannot contain control characters")


def _in_headers(body: CreateSynthetic, name: str) -> bool:
    return any(name in names_in(value) for value in (body.headers or {}).values())


def _check_patterns(body: CreateSynthetic) -> None:
    for number, one in enumerate(body.assertions):
        try:
            assertions.check(one)
        except ValueError as problem:
            field = "path" if one.source == "json" and "path" in str(problem) else "value"
            raise invalid(f"/assertions/{number}/{field}", str(problem)) from None
    if body.expect is not None:
        try:
            assertions.compiled(body.expect)
        except ValueError as problem:
            raise invalid("/expect", str(problem)) from None


def _check_browser(preparation: Preparation) -> None:
    body: CreateSynthetic = preparation.body
    own = preparation.context.settings.probe_region
    why = unavailable() if own in (body.regions or [own]) else None
    if why is not None:
        raise impossible("/type", f"browser checks cannot run: {why}", "browser_unavailable")
    steps: list[dict[str, Any]] = body.steps or []
    try:
        flow = check_flow(body.target, steps)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        loc = [part for number, part in enumerate(first["loc"]) if number != _TAG]
        place = "/".join(str(part) for part in loc)
        raise invalid(f"/{place}", first["msg"]) from None
    for number, step in enumerate(flow.steps):
        if isinstance(step, Fill) and step.secret is not None and step.secret not in body.secrets:
            raise invalid(f"/steps/{number}/secret", f"there is no secret {step.secret}")
        if isinstance(step, Goto):
            preparation.checkpoint()
            _check_goto(preparation, f"/steps/{number}/url", flow.absolute(step.url))


def _check_goto(preparation: Preparation, pointer: str, url: str) -> None:
    try:
        preparation.context.dialer.check_url(url)
    except TargetNotAllowed:
        message = "the URL is not at a public address"
        raise impossible(pointer, message, "target_not_allowed") from None
    except Impossible as problem:
        raise impossible(pointer, str(problem), "target_not_allowed") from None
