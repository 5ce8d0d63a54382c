"""Bounds on a YAML text, checked while it is parsed, before any value is created.

An alias takes a few bytes and repeats the whole content of its anchor, so nine levels of nine
aliases are a billion values. The parser's events are counted here as often as aliases repeat them;
they are created one at a time and need no memory. A text within the bounds can be composed and
traversed safely.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from novaql.text.excerpts import excerpt

LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST_DEPTH = 60
MOST_VALUES = 1_000_000
"""Scalars, lists and mappings in a text, counted as often as aliases repeat them."""
MOST_CHARACTERS = 20_000_000
"""Characters of a text, and those of its scalars counted as often as aliases repeat them."""
_MOST_DIGITS = 100
_NUMBER = re.compile(r"[-+]?[0-9.][-+0-9a-fA-FxobT_.,:eE \t]*")


_CONVERTED = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp", "bool")}


class YamlProblem(ValueError):
    """The text is not YAML, or exceeds a bound. `line` and `column` from 1; the place is known of
    most problems. `position` is that of the invalid character if only that is known."""

    def __init__(
        self, reason: str, line: int = 1, column: int = 1, position: int | None = None
    ) -> None:
        self.reason = excerpt(reason)
        self.line = line
        self.column = column
        self.position = position
        super().__init__(self.reason)

    def __str__(self) -> str:
        return f"{self.reason} at line {self.line}, column {self.column}"


def check_bounds(text: str, *, first_only: bool = False) -> None:
    """Raises `YamlProblem` for a text that is not YAML, or exceeds a bound.

    first_only  only the first document will be read
    """
    if len(text) > MOST_CHARACTERS:
        raise YamlProblem(f"longer than {MOST_CHARACTERS} characters")

    bounds = _Bounds()
    with loader_of(text) as loader:
        while loader.check_event():
            event = loader.get_event()
            bounds.take(event)
            if first_only and isinstance(event, yaml.DocumentEndEvent):
                return


@contextmanager
def loader_of(text: str) -> Iterator[Any]:
    """PyYAML's loader of a text. Its errors inside the block become `YamlProblem`."""
    try:
        loader: Any = LOADER(text)
        try:
            yield loader
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        context = f" {problem.context}" if problem.context else ""
        reason = f"not YAML: {problem.problem}{context}"
        if mark is None:
            raise YamlProblem(reason) from None
        raise YamlProblem(reason, mark.line + 1, mark.column + 1) from None
    except yaml.YAMLError as problem:
        position = int(getattr(problem, "position", 0))
        before = text[:position]
        line = before.count("\n")
        column = position - (before.rfind("\n") + 1)
        reason = f"not YAML: {str(problem).splitlines()[0]}"
        raise YamlProblem(reason, line + 1, column + 1, position) from None
    except RecursionError:
        raise YamlProblem("nested too deeply") from None


class _Bounds:
    """Counts events. A frame for each open list or mapping: values, characters and depth in it."""

    def __init__(self) -> None:
        self._of_anchor: dict[str | None, tuple[int, int, int]] = {}
        self._open: list[tuple[str | None, list[int]]] = []
        self._done = [0, 0, 0]

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            if len(event.value) > _MOST_DIGITS:
                self._check_number(event)
            self._add(event, event.anchor, (1, len(event.value), 1))
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.anchor is not None:
                self._of_anchor.pop(event.anchor, None)  # not known before its end
            self._open.append((event.anchor, [1, 0, 1]))
            self._check(event, 0, 0, len(self._open))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, (values, characters, depth) = self._open.pop()
            self._add(event, anchor, (values, characters, depth))
        elif isinstance(event, yaml.AliasEvent):
            size = self._of_anchor.get(event.anchor)
            if size is None:
                inside = any(anchor == event.anchor for anchor, _ in self._open)
                reason = "nested too deeply: it contains itself" if inside else (
                    f"not YAML: found undefined alias {str(event.anchor)[:40]!r}"
                )  # fmt: skip
                raise problem_at(event, reason)
            self._add(event, None, size)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._of_anchor.clear()

    def _add(self, event: Any, anchor: str | None, size: tuple[int, int, int]) -> None:
        values, characters, depth = size
        if anchor is not None:
            self._of_anchor[anchor] = size
        frame = self._open[-1][1] if self._open else self._done
        frame[0] += values
        frame[1] += characters
        frame[2] = max(frame[2], depth + 1)
        self._check(event, frame[0], frame[1], len(self._open) + depth)

    def _check(self, event: Any, values: int, characters: int, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise problem_at(event, "nested too deeply")
        if values > MOST_VALUES:
            raise problem_at(event, f"with its aliases it has more than {MOST_VALUES} values")
        if characters > MOST_CHARACTERS:
            raise problem_at(
                event, f"with its aliases it has more than {MOST_CHARACTERS} characters"
            )

    def _check_number(self, event: Any) -> None:
        """Python would convert its digits, some kinds of them in quadratic time."""
        implicit = event.implicit[0] and _NUMBER.fullmatch(event.value)
        if implicit or event.tag in _CONVERTED:
            raise problem_at(event, f"a number or a time has more than {_MOST_DIGITS} characters")


def problem_at(event: Any, reason: str) -> YamlProblem:
    """Return a problem at the start of an event or a node."""
    mark = event.start_mark
    return YamlProblem(reason, mark.line + 1, mark.column + 1)
