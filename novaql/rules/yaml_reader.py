"""Strict reading of YAML nodes: known fields, each once, each of its type."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import TypeVar

from novaql.rules.durations import file_duration_ms
from novaql.rules.problems import Place, Problem
from novaql.rules.yaml_nodes import Mapping, Node, Scalar, Sequence, YamlText, is_null, place_of
from novaql.text.excerpts import excerpt

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NAN = re.compile(r"\.(?:nan|NaN|NAN)")
_TRUE = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"}
_FALSE = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"}
_KINDS = {Mapping: "a mapping", Sequence: "a list", Scalar: "a single value"}
_MERGE_TAG = "tag:yaml.org,2002:merge"

T = TypeVar("T")


class YamlReader:
    """Reads the fields of one file, and collects errors in `problems`."""

    def __init__(self, source: YamlText) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def complain(self, at: Node | Place, message: str) -> None:
        place = at if isinstance(at, Place) else place_of(at)
        self.problems.append(Problem(self.source.file, place, excerpt(message)))

    def fields(
        self, node: Node | None, known: Collection[str] | None, what: str
    ) -> dict[str, Node]:
        """Field → node of a mapping; null values are omitted, like absent fields.

        known  the fields that exist; None: any name is valid
        what   the name of the mapping in messages, with its article
        """
        if node is None or is_null(node):
            return {}
        if not isinstance(node, Mapping):
            self.complain(node, f"{what} is a mapping, not {_kind(node)}")
            return {}
        found: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        seen: set[str] = set()
        for key, value in node.value:
            if key.tag == _MERGE_TAG:
                for part in value.value if isinstance(value, Sequence) else [value]:
                    for name, inner in self.fields(part, known, what).items():
                        merged.setdefault(name, inner)
                continue
            if not isinstance(key, Scalar):
                self.complain(key, f"a field name is a single value, not {_kind(key)}")
                continue
            name = key.value
            if name in seen:
                self.complain(key, f"{name} is given twice in {what}")
            elif known is not None and name not in known:
                self.complain(key, f"{what} has no field {name}{_suggestion(name, known)}")
            elif not is_null(value):
                found[name] = value
            seen.add(name)
        return {**merged, **found}

    def items(self, node: Node | None, what: str) -> list[Node]:
        """The items of a list; none for an absent field."""
        if node is None or is_null(node):
            return []
        if not isinstance(node, Sequence):
            self.complain(node, f"{what} is a list, not {_kind(node)}")
            return []
        return list(node.value)

    def text(self, node: Node | None, what: str) -> str:
        """Text of a single value, "" for an absent field."""
        if node is None or is_null(node):
            return ""
        if not isinstance(node, Scalar):
            self.complain(node, f"{what} is a text, not {_kind(node)}")
            return ""
        return str(node.value)

    def texts(self, node: Node | None, what: str) -> list[str]:
        return [self.text(item, f"an item of {what}") for item in self.items(node, what)]

    def text_map(self, node: Node | None, what: str) -> dict[str, str]:
        """Name → text, such as labels."""
        if node is not None and isinstance(node, Mapping):
            nulls = {k.value: "" for k, v in node.value if isinstance(k, Scalar) and is_null(v)}
        else:
            nulls = {}
        found = self.fields(node, None, what)
        return {**nulls, **{name: self.text(value, name) for name, value in found.items()}}

    def duration_ms(self, node: Node | None, what: str) -> int | None:
        """Milliseconds; None for an absent field."""
        if node is None or is_null(node):
            return None
        text = self.text(node, what)
        if isinstance(node, Scalar):
            try:
                return file_duration_ms(text)
            except ValueError as problem:
                self.complain(node, f"{what}: {problem}")
        return None

    def integer(self, node: Node | None, what: str) -> int | None:
        """A whole number; a fraction is cut off, as in Prometheus."""

        def read(text: str) -> int | None:
            if _FLOAT.fullmatch(text) and not _INTEGER.fullmatch(text):
                return int(float(text)) if abs(float(text)) < 2**63 else None
            if not _INTEGER.fullmatch(text):
                return None
            plain = text.replace("_", "")
            octal = re.fullmatch(r"([-+]?)0o?([0-7]+)", plain)
            value = int(octal[1] + octal[2], 8) if octal else int(plain, 0)
            return value if -(2**63) <= value < 2**63 else None

        return self._plain(node, what, "an integer", read)

    def number(self, node: Node | None, what: str) -> float | None:
        def read(text: str) -> float | None:
            if _INFINITE.fullmatch(text):
                return -math.inf if text.startswith("-") else math.inf
            if _NAN.fullmatch(text):
                return math.nan
            if _INTEGER.fullmatch(text) and not text.lstrip("+-").isdigit():
                return float(int(text.replace("_", ""), 0))
            return float(text) if _FLOAT.fullmatch(text) else None

        return self._plain(node, what, "a number (.inf and .nan are written so in YAML)", read)

    def boolean(self, node: Node | None, what: str) -> bool | None:
        def read(text: str) -> bool | None:
            return True if text in _TRUE else False if text in _FALSE else None

        return self._plain(node, what, "true or false", read)

    def _plain(
        self, node: Node | None, what: str, kind: str, read: Callable[[str], T | None]
    ) -> T | None:
        """An unquoted scalar that `read` accepts."""
        if node is None or is_null(node):
            return None
        if not isinstance(node, Scalar):
            self.complain(node, f"{what} is {kind}, not {_kind(node)}")
            return None
        value = None if node.style else read(node.value)
        if value is None:
            self.complain(node, f"{what} is {kind}, not {node.value!r}")
        return value


def _kind(node: Node) -> str:
    return _KINDS[type(node)]


def _suggestion(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
