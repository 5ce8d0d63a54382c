"""Common mistakes, each with a sentence that explains it. The first rule that applies is used."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable

from novaql.language.durations import UNITS, format_duration
from novaql.language.fault import Fault
from novaql.language.place import CLOSING, OPENING, Place
from novaql.language.separator_hints import (
    colon_in_braces,
    foreign_comment,
    joined_conditions,
    late_bool,
    let_without_query,
    pipe_without_function,
    semicolon,
    several_expressions,
    split_operator,
    template_behind_operator,
)
from novaql.language.signatures import AGGREGATORS, FUNCTIONS
from novaql.span import Span

Hint = Callable[[Place], Fault | None]


def empty_query(place: Place) -> Fault | None:
    if place.at_end and not place.before:
        return place.fault("the query is empty", "write an expression, such as up")
    return None


def unclosed_string(place: Place) -> Fault | None:
    if place.word not in ('"', "'", "`"):
        return None
    stop = len(place.text) if place.word == "`" else place.text.find("\n", place.at)
    span = Span(place.at, stop if stop >= 0 else len(place.text))
    return place.fault(f"the string that starts here has no closing {place.word}", span=span)


_NUMERIC = re.compile(r"\.?[0-9][\w.]*")
_FRACTION = re.compile(r"([0-9]*\.[0-9]+)(ms|[smhdwy])")


def bad_number(place: Place) -> Fault | None:
    """`1.5h`, `5x`, `1h30`, `1..2`."""
    found = _NUMERIC.match(place.text, place.at)
    if found is None or not (place.after_operand or "NUMBER" in place.expected):
        return None
    word = found[0]
    span = Span(*found.span())
    if place.after_operand and _reads_as_number(word):
        return None
    fraction = _FRACTION.fullmatch(word)
    if fraction and len(word) < 20:
        whole = format_duration(round(float(fraction[1]) * UNITS[fraction[2]]))
        return place.fault(
            f"a duration has no fractions, as {word} has", f"write {whole}", span=span
        )
    duration = re.fullmatch(r"(?:[0-9]+[a-zA-Zµ]+)++([0-9]*)", word)
    if duration is None or re.match(r"0[xX]|[0-9]+[eE]", word):
        return place.fault(f"bad number {_short(word)}", span=span)
    unknown = [unit for unit in re.findall(r"[a-zA-Zµ]+", word) if unit not in UNITS]
    if unknown:
        return place.fault(
            f"unknown unit {_short(unknown[0])} in the duration {_short(word)}",
            "the units are y w d h m s ms",
            span=span,
        )
    return place.fault(
        f"the duration {_short(word)} ends without a unit", f"write {_short(word)}m?", span=span
    )


def _reads_as_number(word: str) -> bool:
    return re.fullmatch(r"[0-9.]+|(?:[0-9]+(?:ms|[smhdwy]))++", word) is not None


def _short(word: str) -> str:
    return word if len(word) <= 24 else word[:23] + "…"


def stray_closing(place: Place) -> Fault | None:
    """A closing bracket without an open one, or of another kind than the open one."""
    if place.word not in OPENING:
        return None
    if not place.opened:
        return place.fault(f'"{place.word}" closes nothing', "remove it")
    last = place.opened[-1]
    if CLOSING[last.text] == place.word:
        return None
    return place.fault(
        f'"{last.text}" is closed by "{place.word}"',
        f'close it with "{CLOSING[last.text]}" first',
        span=Span(last.span.start, place.at + 1),
    )


def trailing_comma(place: Place) -> Fault | None:
    if place.word == ")" and place.previous == ",":
        return place.fault(
            "there is a comma before the closing parenthesis",
            "remove it",
            span=place.before[-1].span,
        )
    return None


def empty_parentheses(place: Place) -> Fault | None:
    if place.word != ")" or place.previous != "(":
        return None
    if "NUMBER" in place.expected and not place.wants_operand:
        return place.fault("a value is missing between the parentheses", "as in fill(0)")
    return place.fault("there is nothing between the parentheses", "write an expression there")


def missing_range(place: Place) -> Fault | None:
    if place.inside != "[" or place.previous not in ("[", ":"):
        return None
    if place.rest.startswith("$"):
        return None
    if place.previous == ":" and place.word == "]":
        return None
    return place.fault(
        f"a duration is expected between the brackets, got {place.shown}", "as in [5m]"
    )


def dashboard_variable(place: Place) -> Fault | None:
    found = re.match(r"\$(?:\{[\w:.]*\}|\w*)", place.rest)
    if found is None:
        return None
    return place.fault(
        f"{_short(found[0])} looks like a variable of a dashboard",
        "replace it by its value, or set it in params",
        span=Span(place.at, place.at + found.end()),
    )


_OTHER_SPELLINGS = {
    "&&": "and", "&": "and", "||": "or", "|": "or", "<>": "!=", "**": "^", "=>": ">=",
    "=<": "<=", "===": "==",
}  # fmt: skip


def foreign_operator(place: Place) -> Fault | None:
    """Operators of other languages, and `=` in place of `==`."""
    if place.inside == "{":
        return None
    if place.after_operand and place.word in ("=~", "!~"):
        return place.fault(
            f"{place.word} is outside of braces", 'match labels in them: name{label=~"…"}'
        )
    spelling = place.rest[:2] if place.rest[:2] in _OTHER_SPELLINGS else place.word
    if place.after_operand and spelling == "=":
        return place.fault("= is for labels in braces", "compare with ==")
    if place.word == "!" and place.wants_operand:
        return place.fault("nothing can be negated with !", "compare with 0, or use unless")
    if (meant := _OTHER_SPELLINGS.get(spelling)) is None:
        return None
    span = Span(place.at, place.at + len(spelling))
    return place.fault(f"{spelling} is not an operator", f"write {meant}", span=span)


def in_braces(place: Place) -> Fault | None:
    """Mistakes inside of `{}`."""
    if place.inside != "{":
        return None
    if place.word == "==":
        return place.fault("== is for comparing vectors", 'match a label with =: {label="…"}')
    if place.previous in ("=", "!=", "=~", "!~") and place.word not in ("", *_LOOKALIKES):
        if place.word in "()[]{},":
            return place.fault(
                f"a quoted value must follow {place.previous}", 'as in {label="value"}'
            )
        return place.fault(
            f"the value of a matcher must be quoted, got {place.shown}",
            f'write {place.previous}"{_short(place.word)}"',
        )
    if place.word in (">", "<", ">=", "<="):
        return place.fault(
            f"labels are texts and cannot be compared with {place.word}",
            "match them with = != =~ !~",
        )
    if re.fullmatch(r"[\w:.]*[^\W\d][\w:.]*", place.word) and "LABEL" in place.expected:
        return place.fault(
            f"the label name {place.shown} must be quoted", f'write "{_short(place.word)}"'
        )
    if re.fullmatch(r"[\w:]+|\".*|'.*", place.word) and place.previous not in ("{", ","):
        return place.fault(f'"," is missing before {place.shown}')
    return None


def reserved_word(place: Place) -> Fault | None:
    """`bool`, `on`, … in place of an expression."""
    word = place.word.lower()
    if not place.wants_operand and not place.after_operand:
        return None
    if word in ("group_left", "group_right"):
        return place.fault(f"{word} must follow on (…) or ignoring (…)")
    if word in ("on", "ignoring", "bool"):
        if place.after_operand:
            return place.fault(f"{word} must follow an operator", f"as in a == {word} … b")
        return place.fault(f"{word} is not a metric name here", f'write {{"{word}"}} if it is one')
    if word == "atan2" and place.wants_operand:
        return place.fault("atan2 must be between two expressions", "as in a atan2 b")
    if word in ("by", "without") and place.after_operand:
        return place.fault(
            f"{word} must follow an aggregator or its arguments", f"as in sum {word} (job) (…)"
        )
    return None


_BEHIND_OPERAND = ("and", "or", "unless", "atan2", "offset", "by", "without", "anchored",
                   "smoothed")  # fmt: skip


def operands_side_by_side(place: Place) -> Fault | None:
    """`sum foo`, `rate x[5m]`, `a b`."""
    if not place.after_operand or place.at_end:
        return None
    if not re.match(r"[\w:\"'`({]", place.word):
        return None
    last = place.before[-1] if place.before else None
    if last is not None and (last.text.lower() in AGGREGATORS or last.text in FUNCTIONS):
        return place.fault(
            f"{last.text} needs parentheses around its argument", f"write {last.text}(…)"
        )
    if place.word == "{":
        return place.fault("matchers in braces must follow a metric name")
    if place.word == "(" and last is not None and re.fullmatch(r"[\w:.]+", last.text):
        return place.fault(f"{last.text} cannot be called here", "write an operator before (")
    close = difflib.get_close_matches(place.word.lower()[:32], _BEHIND_OPERAND, n=1, cutoff=0.7)
    suggestion = f'did you mean "{close[0]}"?' if close else f"write {_between(place)} between them"
    return place.fault(f"{place.shown} directly follows another expression", suggestion)


def _between(place: Place) -> str:
    """What may be between two operands here."""
    if place.inside != "(":
        return "an operator"
    at = place.before.index(place.opened[-1])
    called = place.before[at - 1].text.lower() if at else ""
    return (
        "a comma or an operator" if called in AGGREGATORS or called in FUNCTIONS else "an operator"
    )


def aggregate_without_parentheses(place: Place) -> Fault | None:
    """`sum by (job) foo`"""
    if place.expected != {"LPAR"}:
        return None
    if place.at_end:
        word = place.previous.lower()
        if word not in ("by", "without", "on", "ignoring"):
            return None
        return place.fault(f"labels in parentheses must follow {word}", f"as in {word} (job)")
    words = [word.text.lower() for word in place.before]
    if place.previous == ")" and ("by" in words or "without" in words):
        return place.fault(
            "parentheses are missing around what is aggregated",
            f"write ({_short(place.word)} …)",
        )
    if place.previous.lower() in ("by", "without", "on", "ignoring"):
        return place.fault(
            f"the labels of {place.previous.lower()} must be in parentheses",
            f"write {place.previous.lower()} ({_short(place.word)})",
        )
    return None


def bad_label_list(place: Place) -> Fault | None:
    """In `by (…)` and its like."""
    if place.inside != "(" or place.expected.isdisjoint({"LABEL"}) or place.wants_operand:
        if place.inside == "(" and place.expected == {"COMMA", "RPAR"} and not place.at_end:
            return place.fault(f'"," or ")" is missing before {place.shown}')
        return None
    if place.at_end:
        return None
    if re.fullmatch(r"[\w:.]+", place.word):
        return place.fault(
            f"the label name {place.shown} must be quoted", f'write "{_short(place.word)}"'
        )
    return place.fault(f"a label name is expected here, got {place.shown}")


def missing_offset(place: Place) -> Fault | None:
    if place.previous.lower() == "offset" and "QUERY_TIME" in place.expected:
        return place.fault(f"a duration must follow offset, got {place.shown}", "as in offset 5m")
    return None


def missing_moment(place: Place) -> Fault | None:
    if place.previous == "@":
        return place.fault(
            f"a time must follow @, got {place.shown}", "Unix seconds, start() or end()"
        )
    return None


def dotted_name(place: Place) -> Fault | None:
    """`http.requests`, `{service.name="x"}`: names with dots need quotes."""
    if not re.match(r"\.[^\W\d]", place.word) or not place.before:
        return None
    last = place.before[-1]
    if last.span.end != place.at or not re.fullmatch(r"[\w:]+", last.text):
        return None
    name = place.text[last.span.start : place.at] + place.word
    quoted = f'"{_short(name)}"'
    return place.fault(
        f"the name {_short(name)} must be quoted",
        f"write {{{quoted}}}" if place.after_operand else f"write {quoted}",
        span=Span(last.span.start, place.at + len(place.word)),
    )


_LOOKALIKES = {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "−": "-",
               "–": "-", "—": "-", "×": "*", "÷": "/", "≥": ">=", "≤": "<=", "≠": "!=", "∧": "and",
               "∨": "or", "（": "(", "）": ")", "，": ","}  # fmt: skip


def foreign_character(place: Place) -> Fault | None:
    """Typographic quotes, invisible blanks, letters beyond ASCII."""
    if place.at_end or place.rest[0].isascii():
        return None
    character = place.rest[0]
    here = Span(place.at, place.at + 1)
    name = unicodedata.name(character, "no name").lower()
    code = f"U+{ord(character):04X}"
    if character in _LOOKALIKES:
        return place.fault(
            f"unexpected {character} ({name})", f"write {_LOOKALIKES[character]}", span=here
        )
    if not character.isprintable() or character.isspace():
        return place.fault(f"an invisible character ({code}, {name})", "remove it", span=here)
    if character.isalnum():
        start = place.at
        while start and (place.text[start - 1].isalnum() or place.text[start - 1] in "_:"):
            start -= 1
        stop = re.compile(r"[\w:]+").match(place.text, start)
        assert stop is not None
        return place.fault(
            f"a name with {character} ({name}) must be quoted",
            f'write {{"{_short(stop[0])}"}}',
            span=Span(start, stop.end()),
        )
    return place.fault(f"unexpected character {character} ({code}, {name})", span=here)


def unclosed_bracket(place: Place) -> Fault | None:
    if not place.at_end or not place.opened:
        return None
    last = place.opened[-1]
    return place.fault(
        f'"{last.text}" is not closed', f'add "{CLOSING[last.text]}"', span=last.span
    )


def early_end(place: Place) -> Fault | None:
    if place.at_end and place.wants_operand:
        return place.fault(f"an expression is missing behind {_short(place.previous)}")
    return None


HINTS: tuple[Hint, ...] = (
    empty_query,
    unclosed_string,
    semicolon,
    dashboard_variable,
    unclosed_bracket,  # before the rules for the inside of the bracket
    dotted_name,  # before numbers: a dot may start one
    bad_number,
    missing_offset,
    missing_moment,
    stray_closing,
    trailing_comma,
    missing_range,
    empty_parentheses,
    colon_in_braces,
    joined_conditions,
    in_braces,
    split_operator,
    foreign_comment,
    template_behind_operator,
    foreign_operator,
    bad_label_list,
    aggregate_without_parentheses,
    late_bool,
    reserved_word,  # before operands side by side: these words only look like one
    foreign_character,
    operands_side_by_side,
    several_expressions,
    let_without_query,
    pipe_without_function,
    early_end,
)
