"""Indicators: expressions that count bad and total events in any window.

Counts come from `increase(… anchored)`: the increase of a counter from its last sample before the
window to its last sample in it, with resets and without extrapolation. Counts of events are
therefore whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, Protocol

from novaql.fast_dataclass import dataclass
from novaql.language import ValueType, VectorSelector, format_expr, parse, parse_core, type_of
from novaql.server.errors import query_at
from novaql.tsdb import Matcher, MatchOp

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


Windowed = Callable[[str], str]
"""Returns an expression for a window. No text is replaced in the expression of a user, whose label
values may look like any placeholder."""


class InvalidIndicator(ValueError):
    """The indicator is invalid. `field` names the invalid field."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class Numbers(Protocol):
    """Evaluates expressions to numbers."""

    def number(self, expr: str) -> float | None: ...

    def vector(self, expr: str) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Counting:
    """Expressions that count, each for a window such as `5m`.

    bad, good  one of them is None: it is the difference between the other and the total
    first      the time of the oldest sample in the window, in Unix seconds
    """

    total: Windowed
    bad: Windowed | None
    good: Windowed | None
    first: Windowed


class Indicator(Protocol):
    """The interface of a kind of indicator."""

    def counting(self, numbers: Numbers, window: str) -> tuple[Counting, tuple[str, ...]]:
        """The expressions that count, and warnings. It may query the data of the window."""
        ...


@dataclass(frozen=True, slots=True)
class Ratio:
    """Counters of good or bad events, and of all events: plain selectors."""

    total: str
    good: str | None = None
    bad: str | None = None

    def counting(self, numbers: Numbers, window: str) -> tuple[Counting, tuple[str, ...]]:  # noqa: ARG002
        return (
            Counting(
                total=_summed(self.total),
                bad=None if self.bad is None else _summed(self.bad),
                good=None if self.good is None else _summed(self.good),
                first=_first(self.total),
            ),
            (),
        )


@dataclass(frozen=True, slots=True)
class Latency:
    """Observations of a histogram; they are good up to `threshold` seconds.

    histogram  a selector of a native or classic histogram, by its name without `_bucket`
    """

    histogram: str
    threshold: float

    def counting(self, numbers: Numbers, window: str) -> tuple[Counting, tuple[str, ...]]:
        bucket, count = self.part("_bucket"), format_expr(self.part("_count"))
        bounds: list[str] = []
        for past in ("", window):  # a histogram may have ended within the window
            found = numbers.vector(f"count by (le) ({_last(format_expr(bucket), past)})")
            bounds = [one.labels.get("le", "") for one in found]
            if bounds:
                break
            if numbers.number(f"count({_last(self.histogram, past)})") is not None:
                return self._native(), ()
        exact = [text for text in bounds if _number(text) == self.threshold]
        if exact or not bounds:
            # Without data the text of the bound is unknown; Prometheus writes the shortest one.
            le = exact[0] if exact else repr(self.threshold)
            at_most = replace(bucket, matchers=(*bucket.matchers, Matcher("le", MatchOp.EQUAL, le)))
            return Counting(_summed(count), None, _summed(format_expr(at_most)), _first(count)), ()
        buckets, total = format_expr(bucket), _summed(count)

        def good(window: str) -> str:
            inside = f"sum by (le) (increase({buckets}[{window}] anchored))"
            return f"{total(window)} * {self._share(inside)}"

        return Counting(total, None, good, _first(count)), (
            "threshold_is_no_bucket_bound_and_was_interpolated",
        )

    def part(self, ending: str) -> VectorSelector:
        """The selector of one metric of a classic histogram, such as `_bucket`."""
        base = _selector("histogram", self.histogram)
        assert base.name is not None
        return replace(base, name=base.name + ending)

    def _native(self) -> Counting:
        summed = _summed(self.histogram)

        def total(window: str) -> str:
            return f"histogram_count({summed(window)})"

        def good(window: str) -> str:
            return f"{total(window)} * {self._share(summed(window))}"

        return Counting(total, None, good, _first(self.histogram))

    def _share(self, inside: str) -> str:
        return f"histogram_fraction(-Inf, {self.threshold!r}, {inside})"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Times, one per minute; they are good if `expr op threshold` holds. `expr` is one number. A
    minute without a number does not count, nor does one with NaN, such as a ratio of nothing."""

    expr: str
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    threshold: float

    def counting(self, numbers: Numbers, window: str) -> tuple[Counting, tuple[str, ...]]:  # noqa: ARG002
        return self.counts(), ()

    def counts(self) -> Counting:
        """The expressions that count minutes."""
        measured = f"(({self.expr}) >= bool -Inf)"
        is_unequal = self.op == "!="  # NaN meets no other comparison
        op = "==" if is_unequal else self.op
        compared = _minutes(f"(({self.expr}) {op} bool {self.threshold!r})")
        return Counting(
            total=_minutes(measured),
            bad=compared if is_unequal else None,
            good=None if is_unequal else compared,
            first=lambda window: f"min(ts_of_first_over_time({measured}[{window}:1m]))",
        )


def read_indicator(fields: Mapping[str, Any]) -> Indicator:
    """Parse an indicator from JSON fields. Its expressions are formatted: they can be part of
    others, since they have no comments. Raises `InvalidIndicator` and `Impossible`."""
    match fields.get("type"):
        case "ratio":
            good, bad = fields.get("good"), fields.get("bad")
            if (good is None) == (bad is None):
                raise InvalidIndicator("good", "set either good or bad, beside total")
            texts = {
                name: format_expr(_selector(name, fields[name]))
                for name in ("total", "good", "bad")
                if fields.get(name) is not None
            }
            return Ratio(**texts)
        case "latency":
            selector = _selector("histogram", fields["histogram"])
            if selector.name is None:
                raise InvalidIndicator("histogram", "name the histogram")
            return Latency(format_expr(selector), float(fields["threshold"]))
        case "threshold":
            with query_at("/indicator/expr"):
                tree = parse(fields["expr"])
            kind = type_of(parse_core(fields["expr"]))
            if kind not in (ValueType.VECTOR, ValueType.SCALAR):
                raise InvalidIndicator("expr", f"returns a {kind.value}, not a number")
            text = format_expr(tree)
            if kind is ValueType.SCALAR:  # a subquery of Prometheus needs a vector
                text = f"vector({text})"
            return Threshold(text, fields["op"], float(fields["threshold"]))
        case other:
            raise InvalidIndicator("type", f"{other!r} is no type: ratio, latency, threshold")


class _NoData:
    def number(self, expr: str) -> None: ...

    def vector(self, expr: str) -> list[Any]:  # noqa: ARG002
        return []


def counting_expressions(fields: Mapping[str, Any]) -> list[str]:
    """The expressions that count the events of an indicator in some window."""
    counting, _ = read_indicator(fields).counting(_NoData(), "1d")
    every = (counting.total, counting.bad, counting.good, counting.first)
    return [expr("1d") for expr in every if expr is not None]


def _selector(field: str, text: str) -> VectorSelector:
    """Parse a plain selector. Raises `InvalidIndicator` for any other expression."""
    with query_at(f"/indicator/{field}"):
        found = parse(text, strict_promql=True)
    plain = isinstance(found, VectorSelector) and not (
        found.offset or found.at or found.anchored or found.smoothed
    )
    if not plain:
        raise InvalidIndicator(
            field, 'must be a selector of a counter, as http_requests_total{code!~"5.."}'
        )
    assert isinstance(found, VectorSelector)
    return found


def _summed(selector: str) -> Windowed:
    return lambda window: f"sum(increase({selector}[{window}] anchored))"


def _last(selector: str, window: str) -> str:
    """The last samples of a selector in a window; without one, those that are current."""
    return f"last_over_time({selector}[{window}])" if window else selector


def _minutes(points: str) -> Windowed:
    return lambda window: f"sum(sum_over_time({points}[{window}:1m]))"


def _first(selector: str) -> Windowed:
    return lambda window: f"min(ts_of_first_over_time({selector}[{window}]))"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
