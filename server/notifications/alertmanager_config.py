"""A configuration file of Alertmanager, converted to routing and channels.

The converter copies the tree, inhibition rules and time intervals, and rewrites old spellings
(`match`, `source_match_re`, `mute_time_intervals` at the top) to the new form. Each webhook, Slack
and mail integration of a receiver becomes a channel. The result lists parts without a counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

import orjson

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
_TIMES = ("times", "weekdays", "days_of_month", "months", "years", "location")
_SENT = {
    "webhook_configs": ("url", "send_resolved", "http_config"),
    "slack_configs": ("api_url", "send_resolved", "channel", "username", "icon_emoji"),
    "email_configs": (
        *("to", "from", "smarthost", "auth_username", "auth_password", "require_tls"),
        "send_resolved",
    ),
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
    return _Reading(config).read()


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


class _Reading:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._global = _mapping(config.get("global"), "/global")
        self._done = Converted()

    def read(self) -> Converted:
        done, config = self._done, self._config
        receivers: dict[str, list[str]] = {}
        for number, receiver in enumerate(_list(config.get("receivers"), "/receivers")):
            pointer = f"/receivers/{number}"
            given = _mapping(receiver, pointer)
            name = _text(given.get("name"), f"{pointer}/name")
            if name in receivers:
                _refuse(f"{pointer}/name", f"the receiver {name!r} stands twice")
            receivers[name] = list(self._channels(name, given, pointer))
        if not isinstance(config["route"].get("receiver"), str):
            _refuse("/route/receiver", "the root names a receiver")
        done.routing["route"] = self._route(config["route"], "/route", receivers)
        done.routing["inhibit_rules"] = [
            self._inhibit(_mapping(rule, f"/inhibit_rules/{n}"), f"/inhibit_rules/{n}")
            for n, rule in enumerate(_list(config.get("inhibit_rules"), "/inhibit_rules"))
        ]
        done.routing["time_intervals"] = [
            self._times(_mapping(one, f"/{key}/{n}"), f"/{key}/{n}")
            for key in ("time_intervals", "mute_time_intervals")
            for n, one in enumerate(_list(config.get(key), f"/{key}"))
        ]
        known = ("global", "route", "receivers", "inhibit_rules", "time_intervals")
        self._drop(config, (*known, "mute_time_intervals"), "")
        return done

    def _route(
        self, node: Mapping[str, Any], pointer: str, receivers: Mapping[str, list[str]]
    ) -> dict[str, Any]:
        self._drop(node, _ROUTE, pointer)
        out: dict[str, Any] = {
            name: node[name]
            for name in ("group_by", "continue", "mute_time_intervals", "active_time_intervals")
            if node.get(name) is not None
        }
        for name in ("group_wait", "group_interval", "repeat_interval"):
            if node.get(name) is not None:
                out[name] = _duration(node[name], f"{pointer}/{name}")
        receiver = node.get("receiver")
        if receiver is not None:
            if receiver not in receivers:
                _refuse(f"{pointer}/receiver", f"there is no receiver {receiver!r}")
            out["channels"] = receivers[receiver]
        matchers = _matchers(node, pointer, "matchers", "match", "match_re")
        if matchers:
            out["matchers"] = matchers
        below = [
            self._route(_mapping(one, f"{pointer}/routes/{n}"), f"{pointer}/routes/{n}", receivers)
            for n, one in enumerate(_list(node.get("routes"), f"{pointer}/routes"))
        ]
        if below:
            out["routes"] = below
        return out

    def _inhibit(self, rule: Mapping[str, Any], pointer: str) -> dict[str, Any]:
        sides = ("source", "target")
        names = [f"{s}_{kind}" for s in sides for kind in ("matchers", "match", "match_re")]
        self._drop(rule, (*names, "equal"), pointer)
        return {
            **{
                f"{side}_matchers": _matchers(
                    rule, pointer, f"{side}_matchers", f"{side}_match", f"{side}_match_re"
                )
                for side in sides
            },
            "equal": [str(name) for name in _list(rule.get("equal"), f"{pointer}/equal")],
        }

    def _times(self, named: Mapping[str, Any], pointer: str) -> dict[str, Any]:
        self._drop(named, ("name", "time_intervals"), pointer)
        intervals = []
        for n, one in enumerate(_list(named.get("time_intervals"), f"{pointer}/time_intervals")):
            place = f"{pointer}/time_intervals/{n}"
            given = _mapping(one, place)
            self._drop(given, _TIMES, place)
            fields: dict[str, Any] = {
                name: [str(part) for part in _list(given[name], f"{place}/{name}")]
                for name in ("weekdays", "days_of_month", "months", "years")
                if given.get(name) is not None
            }
            if given.get("times") is not None:
                times = _list(given["times"], f"{place}/times")
                fields["times"] = [
                    {
                        name: _clock(_mapping(t, f"{place}/times/{k}").get(name))
                        for name in ("start_time", "end_time")
                    }
                    for k, t in enumerate(times)
                ]
            if given.get("location") is not None:
                fields["location"] = str(given["location"])
            intervals.append(fields)
        return {"name": _text(named.get("name"), f"{pointer}/name"), "time_intervals": intervals}

    def _channels(self, name: str, receiver: Mapping[str, Any], pointer: str) -> Iterator[str]:
        """Convert a receiver to channels. They have its name; the second one is `NAME 2`."""
        self._drop(receiver, ("name", *_SENT), pointer)
        made = 0
        for kind, fields in _SENT.items():
            for n, one in enumerate(_list(receiver.get(kind), f"{pointer}/{kind}")):
                place = f"{pointer}/{kind}/{n}"
                given = _mapping(one, place)
                self._drop(given, fields, place)
                made += 1
                plain = name.replace(",", ";").replace("@", " at ").strip() or "receiver"
                called = plain if made == 1 else f"{plain} {made}"
                try:
                    self._done.channels[called] = self._channel(called, kind, given, place)
                except _CannotBeMade as problem:
                    self._done.problems[called] = f"{place}: {problem}"
                yield called

    def _channel(
        self, name: str, kind: str, given: Mapping[str, Any], pointer: str
    ) -> dict[str, Any]:
        usual = kind == "webhook_configs"  # Alertmanager's defaults differ by kind
        body: dict[str, Any] = {"name": name, "send_resolved": given.get("send_resolved", usual)}
        if kind == "webhook_configs":
            settings = {"url": _secret(given.get("url"), "url")}
            http = _mapping(given.get("http_config"), f"{pointer}/http_config")
            self._drop(http, ("authorization",), f"{pointer}/http_config")
            bearer = _mapping(http.get("authorization"), f"{pointer}/http_config/authorization")
            if bearer.get("credentials") is not None:
                settings["bearer_token"] = _secret(bearer["credentials"], "credentials")
            return {**body, "type": "webhook", "webhook": settings}
        if kind == "slack_configs":
            url = given.get("api_url") or self._global.get("slack_api_url")
            settings = {"url": _secret(url, "api_url")}
            for field_name in ("channel", "username", "icon_emoji"):
                if given.get(field_name):
                    settings[field_name] = str(given[field_name])
            return {**body, "type": "slack", "slack": settings}
        return {**body, "type": "email", "email": self._mail(given)}

    def _mail(self, given: Mapping[str, Any]) -> dict[str, Any]:
        def chosen(name: str, of_all: str) -> Any:
            return given.get(name) if given.get(name) is not None else self._global.get(of_all)

        host, _, port = str(chosen("smarthost", "smtp_smarthost") or "").rpartition(":")
        if not host or not port.isdigit():
            raise _CannotBeMade("a smarthost like smtp.example.com:587 is needed")
        encrypts = chosen("require_tls", "smtp_require_tls")
        implicit = port == "465"
        settings: dict[str, Any] = {
            "host": host.strip("[]"),
            "port": int(port),
            "tls": "tls" if implicit else "none" if encrypts is False else "starttls",
            "from": _address(chosen("from", "smtp_from")),
            "to": [_address(one) for one in str(given.get("to") or "").split(",")],
        }
        if username := chosen("auth_username", "smtp_auth_username"):
            settings["username"] = str(username)
            settings["password"] = _secret(
                chosen("auth_password", "smtp_auth_password"), "password"
            )
        return settings

    def _drop(self, given: Mapping[str, Any], known: tuple[str, ...], pointer: str) -> None:
        self._done.dropped += [f"{pointer}/{name}" for name in given if name not in known]


class _CannotBeMade(ValueError):
    """A receiver lacks a setting that a channel needs."""


def _matchers(node: Mapping[str, Any], pointer: str, new: str, equal: str, regex: str) -> list[str]:
    written = node.get(new)
    lines = [written] if isinstance(written, str) else _list(written, f"{pointer}/{new}")
    found = [one for line in lines for one in _apart(str(line))]
    for name, op in ((equal, "="), (regex, "=~")):
        pairs = _mapping(node.get(name), f"{pointer}/{name}")
        found += [f"{key}{op}{orjson.dumps(str(text)).decode()}" for key, text in pairs.items()]
    return found


def _apart(line: str) -> list[str]:
    """Split a line into matchers: `{a="b", c="d"}` has two. Commas in quotes do not separate."""
    inner = line.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    parts = re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', inner)
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


def _mapping(value: Any, pointer: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        _refuse(pointer, "fields with names are wanted here")
    return value


def _list(value: Any, pointer: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        _refuse(pointer, "a list is wanted here")
    return value


def _text(value: Any, pointer: str) -> str:
    if not isinstance(value, str) or not value:
        _refuse(pointer, "a name is wanted here")
    return value


def _refuse(pointer: str, message: str) -> NoReturn:
    raise Impossible(
        f"{pointer or 'the document'}: {message}",
        code="invalid_alertmanager_config",
        details=[Detail(f"/document{pointer}", message)],
    )
