"""Lines below an eval → its expectation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from novaql.language.fault import Fault
from novaql.language.literals import unquote
from novaql.model.problems import NotationProblem
from novaql.model.sample_notation import parse_float
from novaql.model.series_notation import parse_values, split_series
from novaql.promqltest.durations import duration_ms
from novaql.promqltest.problems import LineProblem
from novaql.promqltest.script import (
    Expectation,
    Kind,
    MatrixTimes,
    SeriesValues,
    TextExpectation,
)
from novaql.tsdb.model.matchers import compile_regex

_TEXT_LINE = re.compile(r"(fail|warn|info)(?:\s+(msg|regex):\s*(.*))?")
_MATRIX_LINE = re.compile(r"range vector from (\S+) to (\S+) step (\S+)")
_OLD_FAILURE = re.compile(r"expected_fail_(message|regexp)\s+(.*)")
_OLD_FORMS: dict[str, Kind] = {"_fail": Kind.FAIL, "_warn": Kind.WARN, "_info": Kind.INFO}


def read_expectation(
    block: Sequence[tuple[int, str]], old_form: str, places: int | None
) -> tuple[Expectation, int]:
    """The expectation in the lines (number, text) of a block, and how many of them it takes.

    old_form  what follows `eval` in the first line: "", `_fail`, `_warn`, `_info`, `_ordered`
    places    steps of a range query, None for an instant one

    Raises `LineProblem` or `NotationProblem`.
    """
    draft = _Draft(places)
    if old_form == "_ordered":
        draft.ordered = True
    elif old_form:
        draft.texts.setdefault(_OLD_FORMS[old_form], []).append(TextExpectation())
    used = 0
    for number, text in block:
        used += 1
        try:
            if draft.take(number, text):
                break
        except LineProblem:
            raise
        except NotationProblem as problem:
            raise LineProblem(number, str(problem)) from None
    return draft.finished(), used


class _Draft:
    """An expectation while its lines are read."""

    def __init__(self, places: int | None) -> None:
        self.places = places
        self.series: list[SeriesValues] = []
        self.scalar: float | None = None
        self.text: str | None = None
        self.texts: dict[Kind, list[TextExpectation]] = {}
        self.forbidden: set[Kind] = set()
        self.ordered = False
        self.matrix: MatrixTimes | None = None

    def take(self, number: int, line: str) -> bool:
        """Read one line; True if it ends the block."""
        if old := _OLD_FAILURE.fullmatch(line):
            if Kind.FAIL not in self.texts:
                raise NotationProblem("expected_fail_… belongs under eval_fail")
            form, value = old.groups()
            self.texts[Kind.FAIL] = [
                TextExpectation(message=value.strip())
                if form == "message"
                else TextExpectation(regex=_pattern(value.strip()))
            ]
            return True
        if re.match(r"expect\s", line):
            self._expect(line.removeprefix("expect").strip())
            return False
        scalar = parse_float(line)
        if scalar is not None:
            if self.places is not None:
                raise NotationProblem("a bare number is the result of instant queries only")
            self.scalar = scalar
            return True
        self._series(number, line)
        return False

    def _expect(self, rest: str) -> None:
        if found := _TEXT_LINE.fullmatch(rest):
            kind = Kind(found[1])
            if kind is Kind.FAIL and kind in self.texts:
                raise NotationProblem("expect fail is given twice")
            self.texts.setdefault(kind, []).append(_text_expectation(found[2], found[3]))
        elif rest in ("no_warn", "no_info"):
            self.forbidden.add(Kind(rest.removeprefix("no_")))
        elif rest == "ordered":
            if self.places is not None:
                raise NotationProblem("expect ordered is for instant queries only")
            self.ordered = True
        elif rest.startswith("string"):
            self.text = _quoted_text(rest.removeprefix("string").strip())
        elif found := _MATRIX_LINE.fullmatch(rest):
            if self.places is not None:
                raise NotationProblem("expect range vector is for instant queries only")
            start, end, step = map(duration_ms, found.groups())
            if end < start or step == 0:
                raise NotationProblem("a range vector needs from ≤ to and a step")
            self.matrix = MatrixTimes(start, end, step)
        else:
            raise NotationProblem(f"cannot expect {rest!r}")

    def _series(self, number: int, line: str) -> None:
        labels, rest = split_series(line)
        items = tuple(parse_values(rest))
        if any(labels == earlier.labels for earlier in self.series):
            raise NotationProblem("this series is expected twice")
        self.series.append(SeriesValues(labels, items, number))

    def finished(self) -> Expectation:
        for kind in self.forbidden & set(self.texts):
            raise NotationProblem(f"expect {kind} and expect no_{kind} contradict each other")
        if self.ordered and self.matrix:
            raise NotationProblem("expect ordered and expect range vector contradict each other")
        self._check_places()
        failures = self.texts.pop(Kind.FAIL, [None])
        return Expectation(
            series=tuple(self.series),
            scalar=self.scalar,
            text=self.text,
            failure=failures[0],
            annotations={kind: tuple(found) for kind, found in self.texts.items()},
            forbidden=frozenset(self.forbidden),
            ordered=self.ordered,
            matrix=self.matrix,
        )

    def _check_places(self) -> None:
        places = self.places
        if self.matrix is not None:
            places = (self.matrix.end_ms - self.matrix.start_ms) // self.matrix.step_ms + 1
        for series in self.series:
            count = len(series.items)
            if places is None and count != 1:
                raise LineProblem(
                    series.line, f"an instant query has one value per series, not {count}"
                )
            if places is not None and count > places:
                raise LineProblem(series.line, f"{count} values, but the range has {places} steps")


def _text_expectation(form: str | None, value: str | None) -> TextExpectation:
    if form is None or value is None:
        return TextExpectation()
    if form == "msg":
        return TextExpectation(message=value.strip())
    return TextExpectation(regex=_pattern(value.strip()))


def _pattern(text: str) -> str:
    try:
        compile_regex(text)
    except ValueError as problem:
        raise NotationProblem(f"{text!r} is no regular expression: {problem}") from None
    return text


def _quoted_text(literal: str) -> str:
    if len(literal) < 2 or literal[0] not in "\"`'" or literal[-1] != literal[0]:
        raise NotationProblem(f"a string must be in quotes, not {literal!r}")
    try:
        return unquote(literal, 0)
    except Fault as fault:
        raise NotationProblem(fault.message) from None
