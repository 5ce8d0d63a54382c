"""A configuration file of Alertmanager, converted to routing and channels.

The converter copies the tree, inhibition rules and time intervals, and rewrites old spellings
(`match`, `source_match_re`, `mute_time_intervals` at the top) to the new form. Each webhook, Slack
and mail integration of a receiver becomes a channel. The result lists parts without a counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import timedelta
from typing import Any, NoReturn

import orjson

from novaql.fast_dataclass import dataclass
from novaql.rules import YamlProblem, file_duration_ms, read_yaml
from novaql.server.errors import Detail, Impossible
from novaql.server.http.shapes import duration_text

HIDDEN = "<secret>"
"""The text that Alertmanager shows in place of a secret."""

MOST_VALUES = 100_000
"""The most values in a file, with aliases expanded."""

_ROUTE = (
    *("receiver", "group_by", "group_wait", "group_interval", "repeat_interval", "continue"),
    *("matchers", "match", "match_re", "mute_time_intervals", "active_time_intervals", "routes"),
)
_RANGES = ("weekdays", "days_of_month", "months", "years")
_PORT = re.compile("[0-9]{1,5}")
_MAIL = ("smarthost", "from", "auth_username", "auth_password", "require_tls")
_SENT = {
    "webhook_configs": ("url", "send_resolved", "http_config"),
    "slack_configs": ("api_url", "send_resolved", "channel", "username", "icon_emoji"),
    "email_configs": ("to", "send_resolved", *_MAIL),
}


@dataclass
class Converted:
    """The content of a file.

    routing   body of `POST /v1/alert-routing`
    channels  bodies of `POST /v1/notification-channels`, by name
    problems  name of a channel → the reason why the file does not suffice to create it
    dropped   places in the file that have no counterpart
    """

    routing: dict[str, Any] = field(default_factory=dict)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


def converted(document: str) -> Converted:
    """Convert a file. Raises `Impossible` if it is not a configuration of Alertmanager."""
    try:
        config = read_yaml(document)
    except YamlProblem as problem:
        _refuse("", f"this cannot be read: {problem}")
    if _size(config) > MOST_VALUES:
        _refuse("", f"with its aliases it has more than {MOST_VALUES} values")
    if not isinstance(config, dict) or not isinstance(config.get("route"), dict):
        _refuse("/route", "a configuration of Alertmanager has a `route`")
    done = Converted()
    root = _Node(config, "", done.dropped)
    everywhere = root.below("global")
    receivers: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    for receiver in root.each("receivers"):
        name = receiver.text("name")
        if name in receivers:
            _refuse(f"{receiver.pointer}/name", f"the receiver {name!r} is defined twice")
        receivers[name] = list(_channels(name, receiver, everywhere, done, numbers))
    if not isinstance(config["route"].get("receiver"), str):
        _refuse("/route/receiver", "the root names a receiver")
    done.routing["route"] = _route(root.below("route"), receivers)
    done.routing["inhibit_rules"] = [_inhibit(rule) for rule in root.each("inhibit_rules")]
    kinds = ("time_intervals", "mute_time_intervals")
    done.routing["time_intervals"] = [_times(one) for kind in kinds for one in root.each(kind)]
    root.drop_all_but("global", "route", "receivers", "inhibit_rules", *kinds)
    return done


def _size(value: Any) -> int:
    """The number of values with aliases expanded, up to the limit."""
    waiting, count = [value], 0
    while waiting and count <= MOST_VALUES:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return count


class _Node:
    """The fields at a place of the file. `dropped` collects places that have no counterpart."""

    def __init__(self, value: Any, pointer: str, dropped: list[str]) -> None:
        fields = {} if value is None else value
        if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
            _refuse(pointer, "must be fields with names")
        self.fields: dict[str, Any] = fields
        self.pointer, self._dropped = pointer, dropped

    def drop_all_but(self, *known: str) -> None:
        self._dropped += [f"{self.pointer}/{name}" for name in self.fields if name not in known]

    def get(self, name: str) -> Any:
        return self.fields.get(name)

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the fields that have a value."""
        return {name: self.fields[name] for name in names if self.get(name) is not None}

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str) or not value:
            _refuse(f"{self.pointer}/{name}", "must be a name")
        return value

    def listed(self, name: str) -> list[Any]:
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            _refuse(f"{self.pointer}/{name}", "must be a list")
        return value

    def below(self, name: str) -> _Node:
        return _Node(self.get(name), f"{self.pointer}/{name}", self._dropped)

    def each(self, name: str) -> Iterator[_Node]:
        for n, one in enumerate(self.listed(name)):
            yield _Node(one, f"{self.pointer}/{name}/{n}", self._dropped)


def _route(node: _Node, receivers: Mapping[str, list[str]]) -> dict[str, Any]:
    node.drop_all_but(*_ROUTE)
    out = node.given("group_by", "continue", "mute_time_intervals", "active_time_intervals")
    for name, value in node.given("group_wait", "group_interval", "repeat_interval").items():
        out[name] = _duration(value, f"{node.pointer}/{name}")
    receiver = node.get("receiver")
    if receiver is not None:
        if not isinstance(receiver, str) or receiver not in receivers:
            _refuse(f"{node.pointer}/receiver", f"there is no receiver {receiver!r}")
        out["channels"] = receivers[receiver]
    if matchers := _matchers(node):
        out["matchers"] = matchers
    if below := [_route(one, receivers) for one in node.each("routes")]:
        out["routes"] = below
    return out


def _inhibit(rule: _Node) -> dict[str, Any]:
    sides = ("source_", "target_")
    names = [f"{side}{kind}" for side in sides for kind in ("matchers", "match", "match_re")]
    rule.drop_all_but(*names, "equal")
    return {
        **{f"{side}matchers": _matchers(rule, side) for side in sides},
        "equal": [str(name) for name in rule.listed("equal")],
    }


def _times(named: _Node) -> dict[str, Any]:
    named.drop_all_but("name", "time_intervals")
    intervals = []
    for one in named.each("time_intervals"):
        one.drop_all_but("times", *_RANGES, "location")
        fields: dict[str, Any] = {
            name: [str(part) for part in one.listed(name)] for name in one.given(*_RANGES)
        }
        if one.given("times"):
            fields["times"] = [
                {name: _clock(t.get(name)) for name in ("start_time", "end_time")}
                for t in one.each("times")
            ]
        if one.given("location"):
            fields["location"] = str(one.get("location"))
        intervals.append(fields)
    return {"name": named.text("name"), "time_intervals": intervals}


def _channels(
    name: str, receiver: _Node, everywhere: _Node, done: Converted, numbers: dict[str, int]
) -> Iterator[str]:
    """Convert a receiver to channels. They have its name; the second one is `NAME 2`, or the next
    number of which the file has no channel.

    numbers  the last number of each name
    """
    receiver.drop_all_but("name", *_SENT)
    plain = name.replace(",", ";").replace("@", " at ").strip() or "receiver"
    for kind, fields in _SENT.items():
        for given in receiver.each(kind):
            given.drop_all_but(*fields)
            called = ""
            while not called or called in done.channels or called in done.problems:
                number = numbers[plain] = numbers.get(plain, 0) + 1
                called = plain if number == 1 else f"{plain} {number}"
            try:
                done.channels[called] = _channel(called, kind, given, everywhere)
            except _CannotBeMade as problem:
                done.problems[called] = f"{given.pointer}: {problem}"
            yield called


def _channel(name: str, kind: str, given: _Node, everywhere: _Node) -> dict[str, Any]:
    usual = kind == "webhook_configs"  # Alertmanager's defaults differ by kind
    sent = given.fields.get("send_resolved", usual)
    body: dict[str, Any] = {"name": name, "send_resolved": sent}
    if kind == "webhook_configs":
        settings = {"url": _secret(given.get("url"), "url")}
        http = given.below("http_config")
        http.drop_all_but("authorization")
        credentials = http.below("authorization").get("credentials")
        if credentials is not None:
            settings["bearer_token"] = _secret(credentials, "credentials")
        return {**body, "type": "webhook", "webhook": settings}
    if kind == "slack_configs":
        url = given.get("api_url") or everywhere.get("slack_api_url")
        settings = {"url": _secret(url, "api_url")}
        for field_name in ("channel", "username", "icon_emoji"):
            if given.get(field_name):
                settings[field_name] = str(given.get(field_name))
        return {**body, "type": "slack", "slack": settings}
    return {**body, "type": "email", "email": _mail(given, everywhere)}


def _mail(given: _Node, everywhere: _Node) -> dict[str, Any]:
    own = given.given(*_MAIL)
    usual = {f"smtp_{name}": name for name in _MAIL}
    chosen = {usual[name]: value for name, value in everywhere.given(*usual).items()} | own
    host, _, port = str(chosen.get("smarthost") or "").rpartition(":")
    if not host or not _PORT.fullmatch(port):
        raise _CannotBeMade("a smarthost like smtp.example.com:587 is needed")
    encrypts = chosen.get("require_tls")
    settings: dict[str, Any] = {
        "host": host.strip("[]"),
        "port": int(port),
        "tls": "tls" if port == "465" else "none" if encrypts is False else "starttls",
        "from": _address(chosen.get("from")),
        "to": [_address(one) for one in str(given.get("to") or "").split(",")],
    }
    if username := chosen.get("auth_username"):
        settings["username"] = str(username)
        settings["password"] = _secret(chosen.get("auth_password"), "password")
    return settings


class _CannotBeMade(ValueError):
    """A receiver lacks a setting that a channel needs."""


def _matchers(node: _Node, side: str = "") -> list[str]:
    """The matchers in new and old spellings. `side` is the prefix of their names."""
    written = node.get(f"{side}matchers")
    lines = [written] if isinstance(written, str) else node.listed(f"{side}matchers")
    found = [one for line in lines for one in _apart(str(line))]
    for kind, op in (("match", "="), ("match_re", "=~")):
        pairs = node.below(f"{side}{kind}").fields
        found += [f"{key}{op}{orjson.dumps(str(text)).decode()}" for key, text in pairs.items()]
    return found


def _apart(line: str) -> list[str]:
    """Split a line into matchers: `{a="b", c="d"}` has two. Commas in quotes do not separate."""
    inner = line.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    parts = re.findall(r'(?:"(?:[^"\\]++|\\.)*+"?|[^,"]++)++', inner, re.S)
    return [part.strip() for part in parts if part.strip()]


def _duration(value: Any, pointer: str) -> str:
    try:
        return duration_text(timedelta(milliseconds=file_duration_ms(str(value))))
    except (ValueError, OverflowError) as problem:
        _refuse(pointer, str(problem))


def _clock(value: Any) -> str:
    """A time of day as text. YAML 1.1 reads an unquoted 09:30 as a base 60 number."""
    if isinstance(value, int):
        return f"{value // 60:02}:{value % 60:02}"
    return str(value)


def _address(value: Any) -> str:
    """Extract `ops@example.com` from `Ops <ops@example.com>`."""
    text = str(value or "")
    inner = text[text.find("<") + 1 : text.rfind(">")] if "<" in text else text
    if "@" not in inner or "{{" in inner:
        raise _CannotBeMade(f"{text!r} is no address")
    return inner.strip()


def _secret(value: Any, name: str) -> str:
    text = str(value or "")
    if not text or text == HIDDEN or "{{" in text:
        raise _CannotBeMade(f"the file does not hold the {name}")
    return text


def _refuse(pointer: str, message: str) -> NoReturn:
    raise Impossible(
        f"{pointer or 'the document'}: {message}",
        code="invalid_alertmanager_config",
        details=[Detail(f"/document{pointer}", message)],
    )
