"""Indicators: expressions that count bad and total events in any window.

Counts come from `increase(… anchored)`: the increase of a counter from its last sample before the
window to its last sample in it, with resets and without extrapolation. Counts of events are
therefore whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from novaql.language import ValueType, VectorSelector, format_expr, parse, type_of
from novaql.tsdb import Matcher, MatchOp

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


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
    """Expressions that count. `[WINDOW]` and `OFFSET` are placeholders for a window.

    bad, good  one of them is None: it is the difference between the other and the total
    first      the time of the oldest sample in the window, in Unix seconds
    """

    total: str
    bad: str | None
    good: str | None
    first: str

    def at(self, expr: str, seconds: int) -> str:
        return expr.replace("WINDOW", f"{seconds}s")


class Indicator(Protocol):
    """The interface of a kind of indicator."""

    def counting(self, numbers: Numbers) -> tuple[Counting, tuple[str, ...]]:
        """The expressions that count, and warnings. It may query the data."""
        ...


@dataclass(frozen=True, slots=True)
class Ratio:
    """Counters of good or bad events, and of all events: plain selectors."""

    total: str
    good: str | None = None
    bad: str | None = None

    def counting(self, numbers: Numbers) -> tuple[Counting, tuple[str, ...]]:  # noqa: ARG002
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

    def counting(self, numbers: Numbers) -> tuple[Counting, tuple[str, ...]]:
        base = _selector("histogram", self.histogram)
        assert base.name is not None
        bucket = replace(base, name=base.name + "_bucket")
        count = format_expr(replace(base, name=base.name + "_count"))
        bounds = [
            m.labels.get("le", "") for m in numbers.vector(f"count by (le) ({format_expr(bucket)})")
        ]
        if not bounds and numbers.number(f"count({self.histogram})") is not None:
            return self._native(), ()
        exact = [text for text in bounds if _number(text) == self.threshold]
        if exact or not bounds:
            # Without data the text of the bound is unknown; Prometheus writes the shortest one.
            le = exact[0] if exact else repr(self.threshold)
            at_most = replace(bucket, matchers=(*bucket.matchers, Matcher("le", MatchOp.EQUAL, le)))
            return Counting(_summed(count), None, _summed(format_expr(at_most)), _first(count)), ()
        inside = f"sum by (le) (increase({format_expr(bucket)}[WINDOW] anchored))"
        good = f"{_summed(count)} * histogram_fraction(-Inf, {self.threshold!r}, {inside})"
        return Counting(_summed(count), None, good, _first(count)), (
            "threshold_is_no_bucket_bound_and_was_interpolated",
        )

    def _native(self) -> Counting:
        inside = f"sum(increase({self.histogram}[WINDOW] anchored))"
        total = f"histogram_count({inside})"
        good = f"{total} * histogram_fraction(-Inf, {self.threshold!r}, {inside})"
        return Counting(total, None, good, _first(self.histogram))


@dataclass(frozen=True, slots=True)
class Threshold:
    """Times, one per minute; they are good if `expr op threshold` holds. `expr` is one number."""

    expr: str
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    threshold: float

    def counting(self, numbers: Numbers) -> tuple[Counting, tuple[str, ...]]:  # noqa: ARG002
        points = f"(({self.expr}) {self.op} bool {self.threshold!r})[WINDOW:1m]"
        every = f"(({self.expr}) * 0 + 1)[WINDOW:1m]"
        return (
            Counting(
                total=f"sum(sum_over_time({every}))",
                bad=None,
                good=f"sum(sum_over_time({points}))",
                first=f"min(ts_of_first_over_time({every}))",
            ),
            (),
        )


def read_indicator(fields: Mapping[str, Any]) -> Indicator:
    """Parse an indicator from JSON fields. Raises `InvalidIndicator` and `QueryError`."""
    match fields.get("type"):
        case "ratio":
            good, bad = fields.get("good"), fields.get("bad")
            if (good is None) == (bad is None):
                raise InvalidIndicator("good", "set either good or bad, beside total")
            for name in ("total", "good", "bad"):
                if fields.get(name) is not None:
                    _selector(name, fields[name])
            return Ratio(fields["total"], good, bad)
        case "latency":
            selector = _selector("histogram", fields["histogram"])
            if selector.name is None:
                raise InvalidIndicator("histogram", "name the histogram")
            return Latency(fields["histogram"], float(fields["threshold"]))
        case "threshold":
            kind = type_of(parse(fields["expr"]))
            if kind not in (ValueType.VECTOR, ValueType.SCALAR):
                raise InvalidIndicator("expr", f"returns a {kind.value}, not a number")
            return Threshold(fields["expr"], fields["op"], float(fields["threshold"]))
        case other:
            raise InvalidIndicator("type", f"{other!r} is no type: ratio, latency, threshold")


def _selector(field: str, text: str) -> VectorSelector:
    """Parse a plain selector. Raises `InvalidIndicator` for any other expression."""
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


def _summed(selector: str) -> str:
    return f"sum(increase({selector}[WINDOW] anchored))"


def _first(selector: str) -> str:
    return f"min(ts_of_first_over_time({selector}[WINDOW]))"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
