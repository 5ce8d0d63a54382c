"""Evaluates an expression at one time after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from novaql.language.ast import (
    Aggregate,
    At,
    AtEdge,
    Binary,
    Call,
    Duration,
    DurationLiteral,
    Expr,
    Let,
    MatrixSelector,
    Member,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from novaql.language.ast import Number as Literal
from novaql.language.lifted import operand_of_lifted
from novaql.model.float_histogram import FloatHistogram
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.support.reference import (
    extended,
    extensions,
    histograms,
    labels,
    matching,
    native,
    numbers,
    windows,
)
from tests.support.reference.aggregations import aggregate
from tests.support.reference.values import (
    NAME,
    Element,
    LabelSet,
    Notes,
    Number,
    Sample,
    Series,
    UnsureError,
    Vector,
    floats,
    is_stale,
    mapped,
    of_floats,
    refuse_equal,
)
from tests.support.reference.windows import Window

Value = float | str | Vector
SUBQUERY_STEP_MS = 60_000


@dataclass(frozen=True)
class Reference:
    """The data and the options of a query: its steps, lookback, and when names are removed.

    grid   the times of an expression that is shifted; empty: those of the query
    notes  fills with what is said of the query, while it is answered
    """

    data: list[Series]
    start_ms: int
    end_ms: int
    step_ms: int = 0
    lookback_ms: int = 300_000
    eager_names: bool = False
    notes: Notes = field(default_factory=Notes)
    grid: tuple[int, ...] = ()

    @property
    def steps(self) -> Sequence[int]:
        """The times at which the enclosing expression is evaluated."""
        return self.grid or range(self.start_ms, self.end_ms + 1, self.step_ms or 1)

    def answer(self, expr: Expr) -> dict[LabelSet, dict[int, Number]]:
        """Label set → time → value; a scalar is the series without labels.

        Raises `RefusedError` or `UnsureError`.
        """
        out: dict[LabelSet, dict[int, Number]] = {}
        for now in self.steps:
            value = self.value(expr, now)
            if isinstance(value, float):
                value = [Element({}, value)]
            assert not isinstance(value, str)
            for element in refuse_equal([element.bare() for element in value]):
                out.setdefault(element.key, {})[now] = element.value
        return out

    def value(self, expr: Expr, now: int) -> Value:
        found = self._value(expr, now)
        if self.eager_names and isinstance(found, list):
            return refuse_equal([element.bare() for element in found])
        return found

    def _value(self, expr: Expr, now: int) -> Value:
        match expr:
            case Literal(value=number):
                return number
            case Text(value=text):
                return text
            case Paren(inner=inner):
                return self.value(inner, now)
            case VectorSelector():
                return [element for element, _ in self._newest(expr, now)]
            case Unary(op="+", operand=operand):
                return self.value(operand, now)
            case Unary(operand=operand):
                value = self.value(operand, now)
                if isinstance(value, float):
                    return -value
                assert isinstance(value, list)
                return mapped(value, [_negative(element.value) for element in value])
            case Binary():
                return self._binary(expr, now)
            case Aggregate():
                parameter = None if expr.parameter is None else self.value(expr.parameter, now)
                assert not isinstance(parameter, list)
                return aggregate(
                    expr.op,
                    self.vector(expr.operand, now),
                    parameter,
                    expr.grouping,
                    self.notes,
                    drop=expr.without,
                )
            case Call():
                return self._call(expr, now)
            case MatrixSelector() | Subquery():
                raise AssertionError("a range vector has no value at one time")
            case Shifted():
                return extensions.shifted(self, expr, now)
            case RetainNames():
                return extensions.retained(self, expr, now)
            case Member():
                return extensions.members(self, expr, now)
            case Let():
                raise AssertionError("a core tree has no let")

    def vector(self, expr: Expr, now: int) -> Vector:
        value = self.value(expr, now)
        assert isinstance(value, list)
        return value

    def scalar(self, expr: Expr, now: int) -> float:
        value = self.value(expr, now)
        assert isinstance(value, float)
        return value

    # --- selectors -----------------------------------------------------------------------

    def end(self, now: int, offset: Duration | None, at: At | None) -> int:
        if at is not None:
            edges = {AtEdge.START: self.start_ms, AtEdge.END: self.end_ms}
            now = at.plus_ms + (edges[at.when] if isinstance(at.when, AtEdge) else at.when)
        return now - (0 if offset is None else _milliseconds(offset))

    def _newest(self, selector: VectorSelector, now: int) -> list[tuple[Element, int]]:
        """The newest sample of each series within the lookback, and its time."""
        end = self.end(now, selector.offset, selector.at)
        out = []
        for series in self._matching(selector):
            if selector.smoothed:
                samples = [s for s in series.samples if not is_stale(s[1])]
                at = extended.smoothed_at(samples, end, self.lookback_ms)
                out += [(Element(series.labels, at), end)] if at is not None else []
                continue
            seen = [s for s in series.samples if end - self.lookback_ms < s[0] <= end]
            if seen and not is_stale(seen[-1][1]):
                out.append((Element(series.labels, seen[-1][1]), seen[-1][0]))
        return out

    def _matching(self, selector: VectorSelector) -> list[Series]:
        conditions = list(selector.matchers)
        if selector.name is not None:
            conditions.append(Matcher(NAME, MatchOp.EQUAL, selector.name))
        found = [s for s in self.data if all(labels.holds(c, s.labels) for c in conditions)]
        sets = selector.alternatives or ((),)
        return [
            s for s in found if any(all(labels.holds(c, s.labels) for c in one) for one in sets)
        ]

    def _windows(self, expr: Expr, now: int) -> list[tuple[Element, Window]]:
        """The range vector: an element, of which only the labels have a meaning, and samples."""
        while isinstance(expr, Paren):
            expr = expr.inner
        if isinstance(expr, MatrixSelector):
            selector, range_ms = expr.selector, _milliseconds(expr.range)
            end = self.end(now, selector.offset, selector.at)
            found = [
                (Element(series.labels, math.nan), list(series.samples))
                for series in self._matching(selector)
            ]
        elif (operand := operand_of_lifted(expr)) is not None:
            return extensions.lifted(expr, self._windows(operand, now))
        else:
            assert isinstance(expr, Subquery)
            range_ms = _milliseconds(expr.range)
            end = self.end(now, expr.offset, expr.at)
            found = self._points(expr, end - range_ms, end)
        out: list[tuple[Element, Window]] = []
        for element, samples in found:
            inside = [s for s in samples if end - range_ms < s[0] <= end and not is_stale(s[1])]
            if inside:
                out.append((element, Window(inside, end, range_ms, now, element.name, self.notes)))
        return out

    def _points(
        self, subquery: Subquery, left: int, end: int
    ) -> list[tuple[Element, list[Sample]]]:
        step = SUBQUERY_STEP_MS if subquery.step is None else _milliseconds(subquery.step)
        if subquery.implicit and self.step_ms:
            step = self.step_ms
        series: dict[tuple[LabelSet, bool], tuple[Element, list[Sample]]] = {}
        for moment in range((left // step + 1) * step, end + 1, step):
            for element in refuse_equal(self.vector(subquery.inner, moment)):
                key = (element.key, element.nameless)
                value = native.without_hint(element.value)
                series.setdefault(key, (element, []))[1].append((moment, value))
        return list(series.values())

    # --- operators and calls -------------------------------------------------------------

    def _binary(self, node: Binary, now: int) -> Value:
        if node.op == "default":
            return extensions.default(self, node, now)
        left, right = self.value(node.left, now), self.value(node.right, now)
        assert not isinstance(left, str)
        assert not isinstance(right, str)
        if isinstance(left, float) and isinstance(right, float):
            value = matching.apply(node, left, right, self.notes, kept=left)
            assert isinstance(value, float)  # comparisons of scalars have bool
            return value
        if isinstance(left, float):
            assert isinstance(right, list)
            return matching.vector_scalar(node, right, left, self.notes, scalar_left=True)
        if isinstance(right, float):
            return matching.vector_scalar(node, left, right, self.notes, scalar_left=False)
        if node.op in ("and", "or", "unless"):
            return matching.set_operation(node.op, node.matching, left, right)
        return matching.vector_vector(node, left, right, self.notes)

    def _call(self, call: Call, now: int) -> Value:
        name, arguments = call.function, call.arguments
        if name in windows.PLAIN:
            if (bent := _extended(arguments[0])) is not None:
                return self._bent(name, bent, now)
            rolled = [(e, windows.PLAIN[name](w)) for e, w in self._windows(arguments[0], now)]
            return _rolled(rolled, nameless=name not in windows.KEEP_NAME)
        if name in numbers.ELEMENTWISE:
            return of_floats(self.vector(arguments[0], now), numbers.ELEMENTWISE[name])
        if name in native.OF_ONE:
            return native.of_histograms(self.vector(arguments[0], now), native.OF_ONE[name])
        if name in numbers.DATE_PARTS:
            if not arguments:
                return [Element({}, numbers.date_part(name, now / 1000))]
            vector = self.vector(arguments[0], now)
            return of_floats(vector, lambda x: numbers.date_part(name, x))
        if name in extensions.CALLS:
            return extensions.call(self, call, now)
        match name:
            case "time":
                return now / 1000
            case "pi":
                return math.pi
            case "vector":
                return [Element({}, self.scalar(arguments[0], now))]
            case "scalar":
                vector = floats(self.vector(arguments[0], now))
                return vector[0].number if len(vector) == 1 else math.nan
            case "timestamp":
                return self._timestamp(arguments[0], now)
            case "absent":
                there = self.vector(arguments[0], now)
                return [] if there else [Element(labels.labels_of_absence(arguments[0]), 1.0)]
            case "absent_over_time":
                in_range = self._windows(arguments[0], now)
                return [] if in_range else [Element(labels.labels_of_absence(arguments[0]), 1.0)]
            case "sort" | "sort_desc":
                return floats(self.vector(arguments[0], now))
            case "round":
                vector = self.vector(arguments[0], now)
                nearest = self.scalar(arguments[1], now) if len(arguments) > 1 else 1.0
                return of_floats(vector, lambda x: numbers.round_to(x, nearest))
            case "clamp" | "clamp_min" | "clamp_max":
                return self._clamp(call, now)
            case "quantile_over_time":
                q = self.scalar(arguments[0], now)
                return _rolled(
                    [
                        (e, windows.quantile_over_time(w, q))
                        for e, w in self._windows(arguments[1], now)
                    ]
                )
            case "predict_linear":
                ahead = self.scalar(arguments[1], now)
                return _rolled(
                    [
                        (e, windows.predict_linear(w, ahead))
                        for e, w in self._windows(arguments[0], now)
                    ]
                )
            case "double_exponential_smoothing":
                level, trend = (self.scalar(argument, now) for argument in arguments[1:])
                return _rolled(
                    [
                        (e, windows.smoothed(w, level, trend))
                        for e, w in self._windows(arguments[0], now)
                    ]
                )
            case "label_replace":
                texts = [str(self.value(argument, now)) for argument in arguments[1:]]
                return labels.label_replace(self.vector(arguments[0], now), *texts)
            case "label_join":
                texts = [str(self.value(argument, now)) for argument in arguments[1:]]
                return labels.label_join(self.vector(arguments[0], now), *texts)
            case "histogram_quantile":
                q = self.scalar(arguments[0], now)
                return histograms.histogram_quantile(q, self.vector(arguments[1], now), self.notes)
            case "histogram_fraction":
                low, high = (self.scalar(argument, now) for argument in arguments[:2])
                vector = self.vector(arguments[2], now)
                return histograms.histogram_fraction(low, high, vector, self.notes)
            case _:
                raise AssertionError(f"the reference has no {name}")

    def _timestamp(self, argument: Expr, now: int) -> Vector:
        while isinstance(argument, Paren):
            argument = argument.inner
        if isinstance(argument, VectorSelector):
            return [
                replace(element, value=moment / 1000, nameless=True)
                for element, moment in self._newest(replace(argument, smoothed=False), now)
            ]
        vector = self.vector(argument, now)
        return mapped(vector, [now / 1000] * len(vector))

    def _clamp(self, call: Call, now: int) -> Vector:
        vector = self.vector(call.arguments[0], now)
        bounds = [self.scalar(argument, now) for argument in call.arguments[1:]]
        low = -math.inf if call.function == "clamp_max" else bounds[0]
        high = math.inf if call.function == "clamp_min" else bounds[-1]
        if low > high:
            return []
        return of_floats(vector, lambda x: numbers.clamp(x, low, high))

    def _bent(self, name: str, expr: MatrixSelector, now: int) -> Vector:
        """Evaluate a function of a range whose ends are anchored or smoothed."""
        selector, range_ms = expr.selector, _milliseconds(expr.range)
        end = self.end(now, selector.offset, selector.at)
        rolled = []
        for series in self._matching(selector):
            samples: list[tuple[int, float]] = []
            for moment, value in series.samples:
                if isinstance(value, FloatHistogram):
                    raise UnsureError("ranges of histograms with exact ends")
                if not is_stale(value):
                    samples.append((moment, value))
            found = extended.rolled(
                name, samples, end, range_ms, self.lookback_ms, smoothed=selector.smoothed
            )
            rolled.append((Element(series.labels, math.nan), found))
        return _rolled(rolled)


def _extended(expr: Expr) -> MatrixSelector | None:
    while isinstance(expr, Paren):
        expr = expr.inner
    if isinstance(expr, MatrixSelector) and (expr.selector.anchored or expr.selector.smoothed):
        return expr
    return None


def _negative(value: Number) -> Number:
    return native.scaled(value, -1.0) if isinstance(value, FloatHistogram) else -value


def _rolled(rolled: Sequence[tuple[Element, Number | None]], *, nameless: bool = True) -> Vector:
    return [
        Element(e.labels, value, e.nameless or nameless) for e, value in rolled if value is not None
    ]


def _milliseconds(duration: Duration) -> int:
    assert isinstance(duration, DurationLiteral)
    return duration.nanoseconds // 1_000_000
