"""Relabelling rules as Prometheus has them: label sets rewritten, kept or dropped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tsdb.matchers import compile_regex

_REFERENCE = re.compile(r"\$(?:(\$)|([0-9A-Za-z_]+)|\{([0-9A-Za-z_]+)\})")
_ANYTHING = "(.*)"


class Action(StrEnum):
    """What a rule does."""

    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    KEEP_EQUAL = "keepequal"
    DROP_EQUAL = "dropequal"
    HASHMOD = "hashmod"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"


@dataclass(frozen=True, slots=True)
class RelabelRule:
    """One rule; the defaults are Prometheus's.

    The values of `source_labels`, joined by `separator`, are what `regex` (RE2, anchored at both
    ends) is tried on; the actions on label names try it on each name.
    """

    action: Action = Action.REPLACE
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = _ANYTHING
    target_label: str = ""
    replacement: str = "$1"
    modulus: int = 0

    def apply(self, labels: dict[str, str]) -> dict[str, str] | None:
        """The labels after this rule; None: dropped. An empty value is no label."""
        found = self.regex
        match self.action:
            case Action.LABELDROP:
                return {n: v for n, v in labels.items() if _match(found, n) is None}
            case Action.LABELKEEP:
                return {n: v for n, v in labels.items() if _match(found, n) is not None}
            case Action.LABELMAP:
                return self._mapped(labels)
        value = self.separator.join(labels.get(name, "") for name in self.source_labels)
        match self.action:
            case Action.KEEP:
                return labels if _match(found, value) is not None else None
            case Action.DROP:
                return labels if _match(found, value) is None else None
            case Action.KEEP_EQUAL:
                return labels if labels.get(self.target_label, "") == value else None
            case Action.DROP_EQUAL:
                return labels if labels.get(self.target_label, "") != value else None
            case Action.LOWERCASE:
                return _with(labels, self.target_label, value.lower())
            case Action.UPPERCASE:
                return _with(labels, self.target_label, value.upper())
            case Action.HASHMOD:
                return _with(labels, self.target_label, str(_hash(value) % self.modulus))
        return self._replaced(labels, value)

    def _replaced(self, labels: dict[str, str], value: str) -> dict[str, str]:
        matched = _match(self.regex, value)
        if matched is None:
            return labels
        target = expanded(self.target_label, matched)
        if not target:
            return labels
        return _with(labels, target, expanded(self.replacement, matched))

    def _mapped(self, labels: dict[str, str]) -> dict[str, str]:
        out = dict(labels)
        for name, value in labels.items():
            matched = _match(self.regex, name)
            if matched is not None:
                out[expanded(self.replacement, matched)] = value
        return out


def relabelled(labels: Mapping[str, str], rules: Sequence[RelabelRule]) -> dict[str, str] | None:
    """The labels after all rules, in order of name; None: a rule dropped them."""
    out: dict[str, str] | None = dict(labels)
    for rule in rules:
        assert out is not None
        out = rule.apply(out)
        if out is None:
            return None
    assert out is not None
    return {name: out[name] for name in sorted(out) if out[name] != ""}


def _match(pattern: str, text: str) -> Any | None:
    return compile_regex(pattern).fullmatch(text)


def _with(labels: dict[str, str], name: str, value: str) -> dict[str, str]:
    if value == "":
        return {n: v for n, v in labels.items() if n != name}
    return {**labels, name: value}


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "big")


def expanded(template: str, matched: Any) -> str:
    """A template in which `$1`, `${1}` and `${name}` stand for groups and `$$` for a dollar.

    A group that is not there is empty; a dollar that begins nothing stands for itself.
    """
    if "$" not in template:
        return template

    def text(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name = found[2] or found[3]
        try:
            group = matched.group(int(name) if name.isdigit() else name)
        except (IndexError, KeyError):
            return ""
        return group or ""

    return _REFERENCE.sub(text, template)
