"""The modifiers of an operator (`bool`, `on`, `group_left`, `fill`) → `ast.Matching`."""

from __future__ import annotations

from dataclasses import replace

from lark import Token

from novaql.fast_dataclass import dataclass
from novaql.language.ast import Cardinality, Matching
from novaql.language.build_durations import duration_of
from novaql.language.fault import Fault
from novaql.language.literals import parse_number, parse_size
from novaql.language.parsed import NOTED, Children, Labels, between, span_of
from novaql.language.selector_parts import listed_label, plain_text
from novaql.span import Span


def number_value(token: Token) -> float:
    """Return the value of a NUMBER, a CONSTANT, a SIZE, or a DURATION in seconds."""
    if token.type == "DURATION":
        return duration_of(token) / 1e9
    if token.type == "SIZE":
        NOTED.note("a size suffix", span_of(token))
        return parse_size(token.value, span_of(token))
    return parse_number(token.value, span_of(token))


def signed_value(children: Children) -> float:
    """A number token, which a sign may follow."""
    value = number_value(children[-1])
    return -value if children[0].type == "SIGN" and children[0].value == "-" else value


@dataclass(frozen=True, slots=True)
class Fill:
    """`fill(v)`, `fill_left(v)`, `fill_right(v)`; `word` in lower case."""

    word: str
    value: float
    span: Span


@dataclass(frozen=True, slots=True)
class Modifiers:
    """The modifiers between an operator and its right side; None if absent."""

    return_bool: Span | None
    matching: Matching
    group: Span | None
    fill: Span | None


class MatchingBuilder:
    """Rules `modifiers`, `match_labels`, `all_labels` and `fill`."""

    def fill(self, children: Children) -> Fill:
        word, _, *number, close = children
        return Fill(word.value.lower(), signed_value(number), between(word, close))

    def match_labels(self, children: Children) -> Labels:
        names: list[str] = []
        renamed: list[tuple[str, str]] = []
        pending = False
        for child in children:
            if child.type == "MATCH_OPERATOR":
                if child.value != "=":
                    raise Fault("pairs of labels are written as left=right", span_of(child))
                NOTED.note("labels of different names", span_of(child))
                pending = True
            elif child.type in ("LABEL", "STRING"):
                if pending:
                    renamed.append((names[-1], listed_label(child)))
                    pending = False
                else:
                    names.append(listed_label(child))
        return Labels(tuple(names), between(children[0], children[-1]), tuple(renamed))

    def all_labels(self, children: Children) -> Labels:
        opening, star, closing = children
        if star.value != "*":
            raise Fault(f"a label or * is expected here, got {star.value}", span_of(star))
        NOTED.note("group_left (*)", span_of(star))
        return Labels((), between(opening, closing), all=True)

    def modifiers(self, children: Children) -> Modifiers:
        return_bool = group = fill = include = None
        matching = Matching()
        for child in children:
            match child:
                case Labels() if group is not None:
                    include = child.span
                    if child.renamed:
                        raise Fault("pairs of labels are for on", child.span)
                    matching = replace(matching, include=child.names, include_all=child.all)
                case Labels():
                    if child.renamed and not matching.on:
                        raise Fault("pairs of labels are for on, not for ignoring", child.span)
                    matching = replace(matching, labels=child.names, renamed=child.renamed)
                case Token(type="STRING"):
                    matching = replace(matching, prefix=plain_text(child, "a prefix"))
                case Token(type="PREFIX"):
                    NOTED.note("prefix", span_of(child))
                case Fill():
                    fill = child.span if fill is None else between_spans(fill, child.span)
                    matching = _filled(matching, child)
                case Token(type="BOOL"):
                    return_bool = span_of(child)
                case Token(type="GROUP"):
                    group = span_of(child)
                    left = child.value.lower() == "group_left"
                    many = Cardinality.MANY_TO_ONE if left else Cardinality.ONE_TO_MANY
                    matching = replace(matching, cardinality=many)
                case _:
                    matching = replace(matching, on=child.type == "ON")
        _check_include(matching, include)
        return Modifiers(return_bool, matching, group, fill)


def between_spans(first: Span, last: Span) -> Span:
    return Span(first.start, last.end)


def _filled(matching: Matching, fill: Fill) -> Matching:
    left = fill.word != "fill_right"
    right = fill.word != "fill_left"
    if (left and matching.fill_left is not None) or (right and matching.fill_right is not None):
        raise Fault(
            f"{fill.word} sets a second value for a side",
            fill.span,
            suggestion="write fill(v), or fill_left(v) fill_right(w)",
        )
    return replace(
        matching,
        fill_left=fill.value if left else matching.fill_left,
        fill_right=fill.value if right else matching.fill_right,
    )


def _check_include(matching: Matching, span: Span | None) -> None:
    if not matching.on or span is None:
        return
    both = [name for name in matching.include if name in matching.labels]
    if both:
        word = "group_left" if matching.cardinality is Cardinality.MANY_TO_ONE else "group_right"
        raise Fault(
            f'the label "{both[0]}" is in both on (…) and {word} (…)',
            span,
            suggestion=f"remove it from {word}: the result has the labels of on anyway",
        )
