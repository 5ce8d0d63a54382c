"""A load block: series with their samples and their start timestamps."""

from __future__ import annotations

import re
from collections.abc import Sequence

from novaql.model.label_set import Labels
from novaql.model.problems import NotationProblem
from novaql.model.series_notation import parse_values, split_series
from novaql.promqltest.durations import duration_ms, signed_duration_ms
from novaql.promqltest.problems import LineProblem
from novaql.promqltest.script import Load, SeriesValues

_LOAD = re.compile(r"load(_with_nhcb)?\s+(\S+)")
_GAP = re.compile(r"_(?:x([0-9]+))?")
_AGAIN = re.compile(r"\*(?:x([0-9]+))?")
_START_RUN = re.compile(r"([+-]?[0-9ywdhms]+)(?:([+-])([0-9ywdhms]+))?(?:x([0-9]+))?")

Starts = tuple[int | None, ...]
"""Start of each sample in milliseconds relative to the sample; None: unknown."""


def read_load(number: int, head: str, block: Sequence[tuple[int, str]]) -> Load:
    """The load that `head` on line `number` begins; `block`: (number, text) of its lines.

    Raises `LineProblem` or `NotationProblem`.
    """
    found = _LOAD.fullmatch(head)
    if found is None:
        raise NotationProblem("a load is written as: load <step>, or load_with_nhcb <step>")
    draft = _Draft()
    for line, text in block:
        try:
            draft.take(line, text)
        except NotationProblem as problem:
            raise LineProblem(line, str(problem)) from None
    if draft.waiting is not None:
        raise LineProblem(draft.waiting_line, "the @st line lacks its series below")
    return Load(number, duration_ms(found[2]), tuple(draft.series), found[1] is not None)


class _Draft:
    """A load while its lines are read.

    waiting  an @st line that its series must follow
    default  starts for the following series without their own, repeated
    """

    def __init__(self) -> None:
        self.series: list[SeriesValues] = []
        self.waiting: tuple[Labels, Starts] | None = None
        self.waiting_line = 0
        self.default: Starts = ()

    def take(self, line: int, text: str) -> None:
        if text.startswith("@st"):
            self.default = parse_starts(text.removeprefix("@st"))
            return
        labels, rest = split_series(text)
        if rest.startswith("@st"):
            if self.waiting is not None:
                raise NotationProblem("two @st lines in a row")
            self.waiting = labels, parse_starts(rest.removeprefix("@st"))
            self.waiting_line = line
            return
        items = tuple(parse_values(rest))
        starts: Starts | None = None
        if self.waiting is not None:
            of_series, starts = self.waiting
            if of_series != labels:
                raise NotationProblem("the @st line above belongs to another series")
            if len(starts) != len(items):
                raise NotationProblem(f"{len(items)} values, but {len(starts)} starts above")
            self.waiting = None
        elif self.default:
            starts = tuple(self.default[i % len(self.default)] for i in range(len(items)))
        self.series.append(SeriesValues(labels, items, line, starts))


def parse_starts(text: str) -> Starts:
    """Items of an @st line. Raises `NotationProblem`."""
    out: list[int | None] = []
    for word in text.split():
        if gap := _GAP.fullmatch(word):
            out.extend([None] * int(gap[1] or 1))
            continue
        if again := _AGAIN.fullmatch(word):
            newest = next((start for start in reversed(out) if start is not None), 0)
            out.extend([newest] * (int(again[1] or 0) + 1))
            continue
        run = _START_RUN.fullmatch(word)
        if run is None:
            raise NotationProblem(f"{word!r} is no start timestamp")
        first, sign, increment, times = run.groups()
        if increment is not None and times is None:
            raise NotationProblem(f"{word!r} lacks how many times, as in x10")
        value = signed_duration_ms(first)
        step = 0 if increment is None else duration_ms(increment)
        step = -step if sign == "-" else step
        out.extend(value + step * i for i in range(int(times or 0) + 1))
    return tuple(out)
