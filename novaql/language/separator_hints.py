"""Mistakes at what separates the parts of a query: commas, semicolons, `in`, comments of other
languages. Rules as those of `hint_rules`."""

from __future__ import annotations

import re

from novaql.language.fault import Fault
from novaql.language.place import Place
from novaql.span import Span


def semicolon(place: Place) -> Fault | None:
    if place.word != ";":
        return None
    parts = {"{": "conditions", "(": "arguments"}.get(place.inside)
    words = [word.text.lower() for word in place.before]
    if not place.opened and words[:1] == ["let"] and "=" in words and "in" not in words:
        parts = "the names of let"
    if parts is not None:
        return place.fault(f"a semicolon does not separate {parts}", "write a comma")
    return place.fault("a query is one expression", "remove the semicolon and what follows")


def several_expressions(place: Place) -> Fault | None:
    """`sum(a), b`, `a in (1, 2)`"""
    if place.expected != {"$END"}:
        return None
    if place.word == ",":
        return place.fault("a query is one expression", "write (a, b) for the series of both")
    if place.word.lower() == "in":
        return place.fault(
            f"{place.word} belongs to let", "compare with several numbers by == (1, 2)"
        )
    return None


def let_without_query(place: Place) -> Fault | None:
    if place.at_end and place.expected == {"COMMA", "IN"}:
        return place.fault(
            "the expression that uses the names of let is missing", "as in let a = up in sum(a)"
        )
    return None


def template_behind_operator(place: Place) -> Fault | None:
    """`1 + WITH (a = 2) a`, `1 + let a = 2 in a`: their first words look like names."""
    words = [word.text for word in place.before]
    if place.word == "=" and place.inside == "(":
        at = place.before.index(place.opened[-1]) - 1
    elif re.match(r"[^\W\d]\w*\s*[=(]", place.rest):
        at = len(words) - 1
    else:
        return None
    if at < 1 or words[at].lower() not in ("with", "let") or words[at - 1] in ("(", ",", "=", "in"):
        return None
    word, span = words[at], place.before[at].span
    return place.fault(f"{word} must begin an expression", f"write ({word} …)", span=span)


def pipe_without_function(place: Place) -> Fault | None:
    if place.previous == ">" and place.expected == {"IDENT", "AGGREGATOR"}:
        return place.fault(
            f"a function or an aggregator must follow |>, got {place.shown}", "as in m[5m] |> rate"
        )
    return None


def colon_in_braces(place: Place) -> Fault | None:
    """`{job: "api"}`, as JSON has it."""
    if place.inside != "{" or not re.match(r"[^\W\d]*:\s*[\"'`]", place.rest):
        return None
    return place.fault("a colon does not match a label", 'write {label="value"}')


_JOINED = {"and": "a comma", "&&": "a comma", "&": "a comma", "||": "or", "|": "or"}


def joined_conditions(place: Place) -> Fault | None:
    """`{a="b" and c="d"}`"""
    found = re.match(r"(and|&&?|\|\|?)(?!\w|\s*[=!])", place.rest, re.IGNORECASE)
    if place.inside != "{" or found is None or place.previous in ("{", ",", "("):
        return None
    return place.fault(
        f"{found[0]} does not join conditions",
        f"write {_JOINED[found[0].lower()]}",
        span=Span(place.at, place.at + found.end()),
    )


_SPLIT = {
    ("<", ">"): "!=", ("!=", "="): "!=", (">", "="): ">=", ("<", "="): "<=", ("*", "*"): "^",
}  # fmt: skip


def split_operator(place: Place) -> Fault | None:
    """`a <> b`, `a !== b`, `a > = b`, `a ** b`: their first halves are operators."""
    meant = _SPLIT.get((place.previous, place.word))
    if meant is None or not place.wants_operand:
        return None
    span = Span(place.before[-1].span.start, place.at + 1)
    return place.fault(
        f"{place.text[span.start : span.end]} is not an operator", f"write {meant}", span=span
    )


def foreign_comment(place: Place) -> Fault | None:
    """`// a`, `/* a */`"""
    if not place.wants_operand:
        return None
    for start in (place.at, place.at - 1):
        if start >= 0 and re.match(r"/[/*]", place.text[start : start + 2]):
            return place.fault("a comment begins with #", span=Span(start, start + 2))
    return None


def late_bool(place: Place) -> Fault | None:
    """`a > on (x) bool b`"""
    words = {word.text.lower() for word in place.before}
    if place.word.lower() != "bool" or place.previous != ")" or not place.wants_operand:
        return None
    if words.isdisjoint({"on", "ignoring"}):
        return None
    return place.fault("bool must directly follow its operator", "as in a > bool on (x) b")
