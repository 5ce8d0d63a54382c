"""Dot commands: `.tables`, `.mode chart`, `.quit`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from novaql import analyze, explain, query_options, why_empty
from novaql.cli.options import in_zone
from novaql.cli.repl.session import MODES, Session
from novaql.errors import ArgumentError
from novaql.language.check import did_you_mean
from novaql.text.labels import printable
from novaql.timeparse import to_ms
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

SHOWN_VALUES = 5


class Quit(Exception):
    """The user ends the session."""


class Command(NamedTuple):
    """A dot command: what follows its name, what it does, how many words it takes."""

    form: str
    help: str
    run: Callable[[Session, Sequence[str]], None]
    fewest: int = 0
    most: int = 0


def run_command(session: Session, line: str) -> None:
    """Run a line that begins with a dot. Raises `ArgumentError` for a wrong one, `Quit`."""
    name, _, rest = line.strip().partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        close = did_you_mean(name, tuple(COMMANDS))
        raise ArgumentError(name, f"is no command{f', {close}' if close else ''}; .help lists them")
    if command.most < 0:
        words = [rest.strip()] if rest.strip() else []
    else:
        try:
            words = shlex.split(rest)
        except ValueError as problem:
            raise ArgumentError(name, str(problem).lower()) from None
    if not command.fewest <= len(words) <= abs(command.most):
        raise ArgumentError(name, f"has the form {name} {command.form}".rstrip())
    command.run(session, words)


def _metrics(session: Session, words: Sequence[str]) -> None:
    known = session.source.metadata()
    for name in session.source.label_values(METRIC_NAME, [], MIN_TIME_MS, MAX_TIME_MS):
        if not words or words[0] in name:
            about = known.get(name)
            session.write(printable(f"{name}  {about.type}" if about else name))


def _schema(session: Session, words: Sequence[str]) -> None:
    source, chosen = session.source, [[Matcher(METRIC_NAME, MatchOp.EQUAL, words[0])]]
    about = source.metadata().get(words[0])
    names = source.label_names(chosen, MIN_TIME_MS, MAX_TIME_MS)
    if not names:
        raise ArgumentError(".schema", f"there is no metric {words[0]}")
    if about is not None:
        session.write(printable(f"{about.type}: {about.help}"))
    for name in names:
        if name != METRIC_NAME:
            values = source.label_values(name, chosen, MIN_TIME_MS, MAX_TIME_MS)
            some = ", ".join(values[:SHOWN_VALUES]) + (", …" if values[SHOWN_VALUES:] else "")
            session.write(printable(f"{name}  {len(values)} values: {some}"))


def _timer(session: Session, words: Sequence[str]) -> None:
    if words[0] not in ("on", "off"):
        raise ArgumentError(".timer", "is on or off")
    session.timer = words[0] == "on"


def _mode(session: Session, words: Sequence[str]) -> None:
    if words[0] not in MODES:
        raise ArgumentError(".mode", f"is one of {', '.join(MODES)}")
    session.mode = words[0]


def _output(session: Session, words: Sequence[str]) -> None:
    session.redirect(words[0] if words else None)


def _open(session: Session, words: Sequence[str]) -> None:
    session.open(words[0] if len(words) == 1 else list(words))


def _time(session: Session, words: Sequence[str]) -> None:
    times = _times(session, words)
    if times:
        to_ms(times[0], argument=".time")
    session.when = {"time": times[0]} if times else {}


def _times(session: Session, words: Sequence[str]) -> Sequence[str]:
    """Times, those without an offset in the zone of the session."""
    zone = session.zone
    return words if zone is None else [in_zone(word, zone) for word in words]


def _range(session: Session, words: Sequence[str]) -> None:
    if not words:
        session.when = {}
        return
    given = (*_times(session, words[:2]), *words[2:])
    when: dict[str, Any] = dict(zip(("start", "end", "step"), given, strict=False))
    try:
        query_options(**when, last_ms=MAX_TIME_MS)
    except ArgumentError as problem:
        raise ArgumentError(".range", str(problem)) from None
    session.when = when


def _explain(session: Session, words: Sequence[str]) -> None:
    session.write(explain(words[0], query_options(**session.when)))


def _analyze(session: Session, words: Sequence[str]) -> None:
    session.write(analyze(words[0], session.source, **session.when))


def _why(session: Session, words: Sequence[str]) -> None:
    found = why_empty(words[0], session.source, **session.when)
    session.write("\n".join(map(printable, str(found).splitlines())))


def _help(session: Session, _: Sequence[str]) -> None:
    forms = {f"{name} {command.form}".rstrip(): command.help for name, command in COMMANDS.items()}
    width = max(map(len, forms))
    session.write("\n".join(f"{form:<{width}}  {text}" for form, text in forms.items()))


def _quit(_: Session, __: Sequence[str]) -> None:
    raise Quit


COMMANDS: dict[str, Command] = {
    ".tables": Command(
        "[TEXT]", "List metrics, of which the name contains a text.", _metrics, 0, 1
    ),
    ".schema": Command("METRIC", "List labels of a metric, with some values.", _schema, 1, 1),
    ".range": Command(
        "[START [END [STEP]]]", "Query a range from now on, as in .range -1h.", _range, 0, 3
    ),
    ".time": Command(
        "[TIME]", "Query at a time from now on; without one: as `query` does.", _time, 0, 1
    ),
    ".mode": Command("|".join(MODES), "Set the form of answers.", _mode, 1, 1),
    ".timer": Command("on|off", "Show how long each query takes.", _timer, 1, 1),
    ".output": Command("[FILE]", "Write answers to a file; without one: here.", _output, 0, 1),
    ".open": Command("DATA…", "Query a database, files or a URL.", _open, 1, 99),
    ".explain": Command("QUERY", "Show the plan of a query.", _explain, 1, -1),
    ".analyze": Command("QUERY", "Run a query, show the cost of each part.", _analyze, 1, -1),
    ".why": Command("QUERY", "Show which part of a query has no data.", _why, 1, -1),
    ".help": Command("", "List commands.", _help),
    ".quit": Command("", "End. Ctrl-D does it, too.", _quit),
}
