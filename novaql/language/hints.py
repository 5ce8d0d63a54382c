"""The place where parsing failed → a sentence that explains it."""

from __future__ import annotations

from typing import cast

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from novaql.language.fault import Fault
from novaql.language.hint_rules import HINTS
from novaql.language.place import CLOSING, Place


def explain(unexpected: UnexpectedInput, text: str) -> Fault:
    """Return the first hint that applies, else a sentence with the text found and the tokens
    expected."""
    place = _place(unexpected, text)
    for hint in HINTS:
        fault = hint(place)
        if fault is not None:
            return fault
    expected = expectation(place)
    if place.at_end:
        return place.fault(f"the query ends too early, expected {expected}")
    return place.fault(f"unexpected {place.shown}, expected {expected}")


def _place(unexpected: UnexpectedInput, text: str) -> Place:
    if isinstance(unexpected, UnexpectedCharacters):
        at_character = cast(int, unexpected.pos_in_stream)  # Lark annotates it as None
        return Place(text, at_character, frozenset(unexpected.allowed or ()))
    if isinstance(unexpected, UnexpectedToken):
        token = unexpected.token
        at = token.start_pos
        if at is None or token.type == "$END":
            at = len(text)
        return Place(text, at, frozenset(unexpected.accepts or unexpected.expected))
    return Place(text, len(text), frozenset())


_PLAIN = {
    "LABEL": "a label name",
    "MATCH_OPERATOR": "one of = != =~ !~",
    "STRING": "a quoted text",
    "LPAR": '"("',
    "LSQB": '"["',
    "AT": '"@"',
    "BY": '"by"',
    "WITHOUT": '"without"',
    "OFFSET": '"offset"',
    "EDGE": "start() or end()",
    "COLON": '":"',
}


def expectation(place: Place) -> str:
    """Return the tokens that are possible here, in words."""
    expected = place.expected
    words: list[str] = []
    hidden: set[str] = set()
    if place.wants_operand:
        words.append("an expression")
        hidden = {"STRING", "LABEL", "LPAR", "BY", "WITHOUT"}
    elif "NUMBER" in expected:
        words.append("a duration" if "QUERY_TIME" in expected else "a number")
        hidden = {"LPAR"}
    if place.after_operand:
        words.append("an operator")
        hidden |= {"LSQB", "AT", "OFFSET", "LPAR"}
    elif "ARITHMETIC" in expected:
        words.append("an operator")
    words += [word for name, word in _PLAIN.items() if name in expected - hidden]
    if place.inside:
        # Tables merged by the parser generator name brackets that are not open here.
        if "COMMA" in expected and place.inside != "[":
            words.append('","')
        words.append(f'"{CLOSING[place.inside]}"')
    elif place.after_operand or "$END" in expected:
        words.append("the end of the query")
    return _listed(words) or "something else"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else " or ".join((", ".join(words[:-1]), *words[-1:]))
