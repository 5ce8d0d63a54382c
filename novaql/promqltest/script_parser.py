"""Text of a test script → its commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from novaql.errors import QueryError
from novaql.language import parse
from novaql.model.problems import NotationProblem
from novaql.promqltest.durations import duration_ms
from novaql.promqltest.expectation_parser import read_expectation
from novaql.promqltest.load_parser import read_load
from novaql.promqltest.problems import LineProblem, ScriptError
from novaql.promqltest.script import (
    Clear,
    Command,
    Eval,
    Script,
)

_INSTANT = re.compile(r"eval(_fail|_warn|_info|_ordered)?\s+instant\s+(?:at\s+(\S+)\s+)?(.+)")
_RANGE = re.compile(
    r"eval(_fail|_warn|_info)?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+?)\s+(.+)"
)


class Line(NamedTuple):
    """A line without the blanks around it; `number` counts from 1."""

    number: int
    text: str


def read_script(path: Path) -> Script:
    """The script in a file. Raises `ScriptError` or `OSError`."""
    return parse_script(path.read_text(encoding="utf-8"), str(path))


def parse_script(text: str, file: str) -> Script:
    """The commands of a script; every query in it parses and is well typed.

    Raises `ScriptError`.
    """
    lines = [Line(i, _content(line)) for i, line in enumerate(text.split("\n"), 1)]
    return Script(file, tuple(_commands(lines, file)))


def _content(line: str) -> str:
    stripped = line.strip()
    return "" if stripped.startswith("#") else stripped


def _commands(lines: list[Line], file: str) -> Iterator[Command]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.text:
            at += 1
            continue
        word = line.text.split(maxsplit=1)[0].lower()
        block = lines[at + 1 : _end_of_block(lines, at + 1)]
        try:
            if word == "clear":
                yield Clear(line.number)
                at += 1
            elif word.startswith("load"):
                yield read_load(line.number, line.text, block)
                at += 1 + len(block)
            elif word.startswith("eval"):
                command, used = _eval(line, block)
                yield command
                at += 1 + used
            else:
                message = f"unknown command {word!r}; it is load, clear or eval"
                raise ScriptError(file, line.number, message)
        except LineProblem as problem:
            raise ScriptError(file, problem.line, str(problem)) from None
        except NotationProblem as problem:
            raise ScriptError(file, line.number, str(problem)) from None


def _end_of_block(lines: list[Line], at: int) -> int:
    while at < len(lines) and lines[at].text:
        at += 1
    return at


def _eval(head: Line, block: list[Line]) -> tuple[Eval, int]:
    """The statement, and how many lines of the block belong to it."""
    instant = _INSTANT.fullmatch(head.text)
    ranged = None if instant else _RANGE.fullmatch(head.text)
    if instant is not None:
        old_form, at, query = instant.groups()
        start_ms = end_ms = duration_ms(at or "0")
        step_ms = 0
    elif ranged is not None:
        old_form, start, end, step, query = ranged.groups()
        start_ms, end_ms, step_ms = duration_ms(start), duration_ms(end), duration_ms(step)
        if end_ms < start_ms:
            raise NotationProblem("the end lies before the start")
        if step_ms == 0:
            raise NotationProblem("the step is 0")
    else:
        raise NotationProblem(
            "an eval is written as: eval instant at <time> <query>, "
            "or eval range from <start> to <end> step <step> <query>"
        )
    try:
        parse(query)
    except QueryError as problem:
        raise NotationProblem(f"the query is not valid: {problem}") from None
    places = None if instant else (end_ms - start_ms) // step_ms + 1
    expected, used = read_expectation(block, old_form or "", places)
    source = "\n".join([head.text, *(f"  {line.text}" for line in block[:used])])
    return Eval(head.number, query, start_ms, end_ms, step_ms, expected, source), used
