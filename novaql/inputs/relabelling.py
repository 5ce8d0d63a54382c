"""Relabelling rules of Prometheus: they rewrite or drop label sets.

A rule may repeat the text that it matches (`replacement: $1$1$1`), and each rule applies to the
result of the one before. So the sizes of names and values are checked before they are created.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.text.go_text import template_parts
from novaql.tsdb.model.matchers import compile_regex

_ANYTHING = "(.*)"
_SOURCE_VALUES = 16
"""Limit of the joined source labels, in values of the longest size."""


class Action(StrEnum):
    """The action of a rule: see Prometheus's `relabel_config`."""

    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    KEEPEQUAL = "keepequal"
    DROPEQUAL = "dropequal"
    HASHMOD = "hashmod"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"


@dataclass(frozen=True, slots=True)
class RelabelRule:
    """One rule; the defaults are Prometheus's.

    `regex` (RE2, anchored at both ends) is matched with the values of `source_labels`, joined by
    `separator`; by the actions on label names, with each name.
    """

    action: Action = Action.REPLACE
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = _ANYTHING
    target_label: str = ""
    replacement: str = "$1"
    modulus: int = 0

    def apply(
        self, labels: dict[str, str], limits: LabelLimits = USUAL_LIMITS
    ) -> dict[str, str] | None:
        """The labels after this rule; None: dropped. An empty value is no label.

        limits  of names and values that the rule creates, and of their number

        Raises `InputError` above them.
        """
        found = self.regex
        match self.action:
            case Action.LABELDROP:
                return {n: v for n, v in labels.items() if _match(found, n) is None}
            case Action.LABELKEEP:
                return {n: v for n, v in labels.items() if _match(found, n) is not None}
            case Action.LABELMAP:
                return self._mapped(labels, limits)
        value = self._source(labels, limits)
        match self.action:
            case Action.KEEP:
                return labels if _match(found, value) is not None else None
            case Action.DROP:
                return labels if _match(found, value) is None else None
            case Action.KEEPEQUAL:
                return labels if labels.get(self.target_label, "") == value else None
            case Action.DROPEQUAL:
                return labels if labels.get(self.target_label, "") != value else None
            case Action.LOWERCASE:
                return _with(labels, self.target_label, value.lower(), limits)
            case Action.UPPERCASE:
                return _with(labels, self.target_label, value.upper(), limits)
            case Action.HASHMOD:
                return _with(labels, self.target_label, str(_hash(value) % self.modulus), limits)
        return self._replaced(labels, value, limits)

    def _source(self, labels: Mapping[str, str], limits: LabelLimits) -> str:
        values = [labels.get(name, "") for name in self.source_labels]
        size = sum(map(len, values)) + len(self.separator) * max(0, len(values) - 1)
        if size > _SOURCE_VALUES * limits.value_bytes:
            raise InputError(
                f"relabelling: the source labels have {size} characters together, "
                f"the limit is {_SOURCE_VALUES * limits.value_bytes}"
            )
        return self.separator.join(values)

    def _replaced(self, labels: dict[str, str], value: str, limits: LabelLimits) -> dict[str, str]:
        matched = _match(self.regex, value)
        if matched is None:
            return labels
        target = expanded(self.target_label, matched, limits.name_bytes)
        if not target:
            return labels
        made = expanded(self.replacement, matched, limits.value_bytes)
        return _with(labels, target, made, limits)

    def _mapped(self, labels: dict[str, str], limits: LabelLimits) -> dict[str, str]:
        out = dict(labels)
        for name, value in labels.items():
            matched = _match(self.regex, name)
            if matched is not None:
                made = expanded(self.replacement, matched, limits.name_bytes)
                out[made] = value
                if made not in labels:
                    limits.check({made: ""})
                    _need_few(out, limits)
        return out


def relabelled(
    labels: Mapping[str, str],
    rules: Sequence[RelabelRule],
    limits: LabelLimits = USUAL_LIMITS,
) -> dict[str, str] | None:
    """The labels after all rules, in order of name; None: a rule dropped them.

    Raises `InputError` above the limits.
    """
    out: dict[str, str] | None = dict(labels)
    for rule in rules:
        assert out is not None
        out = rule.apply(out, limits)
        if out is None:
            return None
    assert out is not None
    return {name: out[name] for name in sorted(out) if out[name] != ""}


def _match(pattern: str, text: str) -> Any | None:
    return compile_regex(pattern).fullmatch(text)


def _with(labels: dict[str, str], name: str, value: str, limits: LabelLimits) -> dict[str, str]:
    if value == "":
        return {n: v for n, v in labels.items() if n != name}
    limits.check({name: value})
    out = {**labels, name: value}
    if name not in labels:
        _need_few(out, limits)
    return out


def _need_few(labels: Mapping[str, str], limits: LabelLimits) -> None:
    """The limit is that of the names of a whole message, since labels that later rules drop, such
    as those of a discovery, count, too."""
    if len(labels) > limits.names:
        raise InputError(f"relabelling: there are more than {limits.names} labels")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "big")


def expanded(template: str, matched: Any, most_bytes: int = USUAL_LIMITS.value_bytes) -> str:
    """A template with groups in place of `$1`, `${1}` and `${name}`, and a dollar of `$$`.

    An unknown group is empty; any other dollar remains. Raises `InputError` for a text of more
    than `most_bytes`.
    """
    pieces: list[str] = []
    size = 0
    for part in template_parts(template, matched.re.groups, matched.re.groupindex):
        piece = part if isinstance(part, str) else matched.group(part) or ""
        size += len(piece)
        if size > most_bytes:  # a character has at least one byte
            raise InputError(f"relabelling: a text would have more than {most_bytes} bytes")
        pieces.append(piece)
    return "".join(pieces)
