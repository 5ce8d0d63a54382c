"""Rules about selectors: misleading patterns, and selectors that match nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from novaql.language.ast import Expr, VectorSelector
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import all_matchers, metric_of, selectors
from novaql.selectors import matcher_sets_of
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp

_PLAIN = re.compile(r"[^.*+?()\[\]{}|\\^$]*")
_NEARLY_ALL = frozenset({".*", ".+"})
_ALL = frozenset({".*", "(.*)", ".*.*", "^.*$"})


def unanchored_hope(root: Expr, known: Knowledge) -> Iterator[Remark]:  # noqa: ARG001
    """Patterns match whole values: `=~"api"` is `="api"`, and `^` and `$` add nothing."""
    for selector in selectors(root):
        for matcher in all_matchers(selector):
            if not matcher.op.is_regex:
                continue
            pattern = matcher.value
            if pattern.startswith("^") or (pattern.endswith("$") and not pattern.endswith("\\$")):
                bare_pattern = pattern.removeprefix("^").removesuffix("$")
                one_sided = pattern.startswith("^") != pattern.endswith("$")
                yield Remark(
                    Severity.WARNING if one_sided else Severity.INFO,
                    f'{matcher.name}{matcher.op}"{pattern}" matches whole values: '
                    "patterns are anchored at both ends already",
                    selector.span,
                    _hope(matcher, bare_pattern, pattern),
                )
            elif pattern and _PLAIN.fullmatch(pattern):
                plain = MatchOp.NOT_EQUAL if matcher.op.is_negative else MatchOp.EQUAL
                yield Remark(
                    Severity.INFO,
                    f'{matcher.name}{matcher.op}"{pattern}" has no pattern in it, '
                    "and matches the whole value",
                    selector.span,
                    f'write {matcher.name}{plain}"{pattern}", or "{pattern}.*" for a prefix',
                )


def _hope(matcher: Matcher, pattern: str, written: str) -> str:
    if written.startswith("^") and not written.endswith("$"):
        return f'for a prefix write {matcher.name}{matcher.op}"{pattern}.*"'
    if written.endswith("$") and not written.startswith("^"):
        return f'for an ending write {matcher.name}{matcher.op}".*{pattern}"'
    return f'write "{pattern}"'


def never_matches(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Matchers that exclude one another, and selectors that no series of the data satisfies."""
    for selector in selectors(root):
        sets = matcher_sets_of(selector)
        clashes = [clash for clash in map(_contradiction, sets) if clash is not None]
        if len(clashes) == len(sets):
            yield Remark(Severity.ERROR, f"no series can match: {clashes[0]}", selector.span)
        elif clashes:
            yield Remark(
                Severity.WARNING, f"no series can match an alternative: {clashes[0]}", selector.span
            )
        elif known.matches(*sets) == 0:
            yield Remark(
                Severity.WARNING,
                f"no series matches {_written(selector)}",
                selector.span,
                _guilty(selector.name, selector.matchers, known),
            )


def _contradiction(matchers: Sequence[Matcher]) -> str | None:
    wanted: dict[str, str] = {}
    for matcher in matchers:
        if matcher.op is MatchOp.EQUAL:
            before = wanted.setdefault(matcher.name, matcher.value)
            if before != matcher.value:
                return f'{matcher.name} cannot be "{before}" and "{matcher.value}"'
    for matcher in matchers:
        value = wanted.get(matcher.name)
        if value is not None and not matcher.matches(value):
            return f'{matcher.name}="{value}" and {matcher.name}{matcher.op}"{matcher.value}"'
    return None


def _guilty(name: str | None, matchers: tuple[Matcher, ...], known: Knowledge) -> str | None:
    """The first condition without which some series would match."""
    every = matchers
    if name is not None:
        if known.matches((Matcher(METRIC_NAME, MatchOp.EQUAL, name),)) == 0:
            return f"there is no metric {name}"
        every = (Matcher(METRIC_NAME, MatchOp.EQUAL, name), *matchers)
    for matcher in matchers:
        rest = tuple(m for m in every if m is not matcher)
        if rest and known.matches(rest):
            values = known.label_values(matcher.name, rest) or []
            there = ", ".join(f'"{v}"' for v in values[:3])
            more = ", …" if len(values) > 3 else ""
            return f'drop {matcher.name}{matcher.op}"{matcher.value}": ' + (
                f"values are {there}{more}" if values else "there is no such label"
            )
    return None


def selects_everything(root: Expr, known: Knowledge) -> Iterator[Remark]:  # noqa: ARG001
    """A selector without a metric reads all series."""
    for selector in selectors(root):
        if metric_of(selector) is not None:
            continue
        if not all(any(map(_narrows, matchers)) for matchers in matcher_sets_of(selector)):
            yield Remark(
                Severity.WARNING,
                "this selects every series that has the label, whatever it measures",
                selector.span,
                "name a metric",
            )


def useless_matcher(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """`=~".*"` matches all values of the label, and series without it."""
    del known
    for selector in selectors(root):
        for matcher in all_matchers(selector):
            if matcher.op is MatchOp.REGEX and matcher.value in _ALL and selector.name is not None:
                yield Remark(
                    Severity.INFO,
                    f'{matcher.name}=~"{matcher.value}" matches every series',
                    selector.span,
                    "leave it out",
                )


def _narrows(matcher: Matcher) -> bool:
    """Whether the matcher requires more than the presence of the label."""
    if matcher.matches(""):
        return False
    if matcher.op is MatchOp.REGEX:
        return matcher.value not in _NEARLY_ALL
    return matcher.op is MatchOp.EQUAL or matcher.value != ""


def _written(selector: VectorSelector) -> str:
    sets = [(*selector.matchers, *more) for more in selector.alternatives or ((),)]
    inside = " or ".join(", ".join(f'{m.name}{m.op}"{m.value}"' for m in one) for one in sets)
    name = selector.name
    return (name or "") + (f"{{{inside}}}" if inside or name is None else "")
