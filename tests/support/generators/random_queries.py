"""Random queries over the series of `random_samples`, as text.

Made for oracles: subqueries do not nest, and their points miss the edges of all windows if the
query runs at 17 s past a minute; topk is only outermost, because the order of ties is not defined.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

RANGES = ("30s", "1m", "2m", "5m", "10m")
ELEMENTWISE = (
    "abs", "ceil", "floor", "sgn", "sqrt", "exp", "ln", "log2", "log10", "sin", "cos", "tan",
    "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad",
)  # fmt: skip
DATES = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month",
         "month", "year")  # fmt: skip
ROLLUPS = (
    "rate", "increase", "delta", "irate", "idelta", "resets", "changes", "deriv",
    "avg_over_time", "sum_over_time", "count_over_time", "min_over_time", "max_over_time",
    "stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time",
)  # fmt: skip
MODERN_ROLLUPS = (
    "mad_over_time", "first_over_time", "ts_of_min_over_time", "ts_of_max_over_time",
    "ts_of_first_over_time", "ts_of_last_over_time",
)  # fmt: skip
AGGREGATORS = ("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar")
EXACT = ("abs", "ceil", "floor", "sgn")
INEXACT = re.compile(
    r"[/^]|%|atan2|avg|std|quantile|rate|increase|delta|deriv|predict|smoothing|fraction|"
    + "|".join(rf"\b{name}\(" for name in ELEMENTWISE if name not in EXACT)
)
"""Queries that compute with rounding, so that two correct answers may differ in the last digit."""
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
LABELS = ("job", "instance", "zone", "code")


@dataclass
class QueryMaker:
    """Draws one query after another from `rng`.

    at_times  times in whole seconds that `@` may name
    modern    also features that Prometheus 2.53 lacks, and subqueries within subqueries
    """

    rng: random.Random
    at_times: Sequence[int]
    depth: int = 3
    modern: bool = False
    in_subquery: bool = field(default=False, init=False)

    def query(self) -> str:
        """An instant vector or, rarely, a scalar."""
        roll = self.rng.random()
        if roll < 0.05:
            return self.scalar(self.depth)
        if roll < 0.12:
            name, k = self.rng.choice(("topk", "bottomk")), self.rng.randint(0, 5)
            return f"{name}{self.grouping()} ({k}, {self.vector(self.depth - 1)})"
        return self.vector(self.depth)

    # --- selectors -----------------------------------------------------------------------

    def selector(self, *, metrics: Sequence[str] = ("requests_total", "load", "limit")) -> str:
        name = self.rng.choice(metrics)
        conditions = [
            condition
            for condition in (
                'job="api"', 'job!="api"', 'instance=~"i[0-2]"', 'zone=""', 'zone!~"a|c"',
                'code="200"', 'job=~".+"',
            )
            if self.rng.random() < 0.05
        ]  # fmt: skip
        return name + ("{" + ",".join(conditions) + "}" if conditions else "")

    def modifiers(self) -> str:
        text = ""
        if self.rng.random() < 0.15:
            text += f" offset {self.rng.choice(('1m', '-1m', '30s', '-2m', '7m'))}"
        if self.rng.random() < 0.08:
            edge = self.rng.choice(("start()", "end()", *map(str, self.at_times)))
            text += f" @ {edge}"
        return text

    def window(self, depth: int) -> str:
        """A range vector."""
        if depth > 0 and (self.modern or not self.in_subquery) and self.rng.random() < 0.25:
            outside, self.in_subquery = self.in_subquery, True
            inner = self.vector(depth - 1)
            self.in_subquery = outside
            step = self.rng.choice(("30s", "1m", ""))
            return f"({inner})[{self.rng.choice(RANGES[1:])}:{step}]{self.modifiers()}"
        return f"{self.selector()}[{self.rng.choice(RANGES)}]{self.modifiers()}"

    # --- vectors -------------------------------------------------------------------------

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self.selector() + self.modifiers()
        if self.rng.random() < 0.08:
            return self._histogram()
        kinds = (
            self._rollup, self._rollup, self._rollup, self._aggregate, self._aggregate,
            self._vector_vector, self._vector_vector, self._vector_scalar, self._function,
            self._function, self._set, self._label_call, self._absent, self._related,
        )  # fmt: skip
        return self.rng.choice(kinds)(depth)

    def _rollup(self, depth: int) -> str:
        window = self.window(depth)
        roll = self.rng.random()
        if roll < 0.08:
            return (
                f"quantile_over_time({self.rng.choice(('0', '0.3', '0.5', '1', '1.5'))}, {window})"
            )
        if roll < 0.14:
            return f"predict_linear({window}, {self.rng.choice(('60', '-30', '3600'))})"
        if self.modern and roll < 0.2:
            return f"double_exponential_smoothing({window}, 0.3, 0.6)"
        names = ROLLUPS + MODERN_ROLLUPS if self.modern else ROLLUPS
        return f"{self.rng.choice(names)}({window})"

    def grouping(self) -> str:
        roll = self.rng.random()
        if roll < 0.3:
            return ""
        names = self.rng.sample(LABELS, self.rng.randint(0, 2))
        return f" {'by' if roll < 0.7 else 'without'} ({', '.join(names)})"

    def _aggregate(self, depth: int) -> str:
        roll = self.rng.random()
        if roll < 0.05:  # of exact values only: a different last digit would make another label
            return f'count_values{self.grouping()} ("value", {self.selector()})'
        inner = self.vector(depth - 1)
        if roll < 0.15:
            q = self.rng.choice(("0", "0.25", "0.5", "0.9", "1", "-1", "2"))
            return f"quantile{self.grouping()} ({q}, {inner})"
        return f"{self.rng.choice(AGGREGATORS)}{self.grouping()} ({inner})"

    def _vector_scalar(self, depth: int) -> str:
        vector, scalar = f"({self.vector(depth - 1)})", self.scalar(depth - 1)
        op = self.rng.choice(("+", "-", "*", "/", "%", "^", "atan2", *COMPARISONS))
        if op in COMPARISONS and self.rng.random() < 0.4:
            op += " bool"
        left, right = (vector, scalar) if self.rng.random() < 0.6 else (scalar, vector)
        return f"{left} {op} {right}"

    def _vector_vector(self, depth: int) -> str:
        op = self.rng.choice(("+", "-", "*", "/", "%", *COMPARISONS))
        if op in COMPARISONS and self.rng.random() < 0.4:
            op += " bool"
        many, one = f"({self.vector(depth - 1)})", f"({self.vector(depth - 1)})"
        roll = self.rng.random()
        if roll < 0.35:
            return f"{many} {op} {one}"
        names = self.rng.sample(LABELS, self.rng.randint(1, 2))
        listed = ", ".join(names)
        if roll < 0.5:
            return f"{many} {op} ignoring ({listed}) {one}"
        if roll < 0.65:
            return f"sum by ({listed}) ({many}) {op} on ({listed}) max by ({listed}) ({one})"
        extra = self.rng.choice(("", "zone"))
        if extra in names:
            extra = ""
        if roll < 0.85:
            return f"{many} {op} on ({listed}) group_left ({extra}) min by ({listed}) ({one})"
        return f"sum by ({listed}) ({one}) {op} on ({listed}) group_right ({extra}) {many}"

    def _set(self, depth: int) -> str:
        op = self.rng.choice(("and", "or", "unless"))
        matching = self.rng.choice(("", " on (job)", " ignoring (code)", " on ()"))
        return f"({self.vector(depth - 1)}) {op}{matching} ({self.vector(depth - 1)})"

    def _related(self, depth: int) -> str:
        """Two sides that have much in common, one side that narrows the other, or a switch."""
        roll = self.rng.random()
        if roll < 0.3:
            same = self.vector(depth - 1)
            other = self.rng.choice((same, f"sum by (job) ({same})", self.vector(depth - 1)))
            op = self.rng.choice((" + ", " or ", " - on (job) ", " and on (job) "))
            return f"({same}){op}({other})"
        if roll < 0.4:
            off = self.rng.choice(("0", "1"))
            op = self.rng.choice(("and", "unless", "*"))
            return f"({self.vector(depth - 1)}) {op} on () (vector({off}) == 1)"
        name = self.rng.choice(("requests_total", "load", "limit"))
        one, two = (
            self.rng.choice(("", '{job="api"}', '{zone="b"}', '{job="api",zone=~"a|b"}',
                             '{code="200",job=~"api|web"}', '{zone="a",zone="b"}'))
            for _ in range(2)
        )  # fmt: skip
        form = self.rng.choice(("{}", "{}", "rate({}[2m])", "max_over_time({}[1m])", "abs({})"))
        left = form.format(name + one)
        right = form.format(self.rng.choice((name, name, "limit")) + two)
        if self.rng.random() < 0.6:
            grouping = self.rng.choice(("by (job)", "by (job, zone)", "without (code)"))
            right = f"sum {grouping} ({right})"
            if self.rng.random() < 0.5:
                left = f"max {grouping} ({left})"
        op = self.rng.choice(("/", "-", ">", "and", "unless", "or", "/", "*"))
        matching = self.rng.choice(
            ("", " on (job)", " on (job, zone)", " ignoring (code)", " ignoring (zone)")
        )
        if matching and op in "/*->" and self.rng.random() < 0.4:
            matching += self.rng.choice((" group_left ()", " group_right ()", " group_left (code)"))
        return f"({left}) {op}{matching} ({right})"

    def _function(self, depth: int) -> str:
        inner = self.vector(depth - 1)
        roll = self.rng.random()
        if roll < 0.12:
            return f"round({inner}, {self.rng.choice(('0.5', '3', '10'))})"
        if roll < 0.24:
            low, high = self.rng.choice((("0", "100"), ("-5", "7.5"), ("10", "5")))
            return f"clamp({inner}, {low}, {high})"
        if roll < 0.34:
            return f"{self.rng.choice(('clamp_min', 'clamp_max'))}({inner}, 12.5)"
        if roll < 0.42:
            return f"timestamp({inner})"
        if roll < 0.5:
            return f"{self.rng.choice(DATES)}({inner})"
        if roll < 0.56:
            return f"-({inner})"
        return f"{self.rng.choice(ELEMENTWISE)}({inner})"

    def _histogram(self) -> str:
        q = self.rng.choice(("0", "0.1", "0.5", "0.9", "0.99", "1", "-1", "2"))
        window = self.rng.choice(RANGES)
        rate = f"rate(seconds_bucket[{window}])"
        grouped = self.rng.choice((rate, f"sum by (le, job) ({rate})", "seconds_bucket"))
        if self.modern and self.rng.random() < 0.3:
            low, high = self.rng.sample(("-Inf", "0", "0.3", "1", "2", "7", "Inf"), 2)
            return f"histogram_fraction({low}, {high}, {grouped})"
        return f"histogram_quantile({q}, {grouped})"

    def _label_call(self, depth: int) -> str:
        inner = self.vector(depth - 1)
        if self.rng.random() < 0.3:
            return f'label_join({inner}, "both", "-", "job", "zone")'
        target = self.rng.choice(("to", "zone", "code"))
        return f'label_replace({inner}, "{target}", "x$1", "instance", "i(.*)")'

    def _absent(self, depth: int) -> str:
        if self.rng.random() < 0.5:
            missing = self.rng.choice(("nothing", 'nothing{a="b"}', self.selector()))
            return f"absent({missing})"
        inner = self.rng.choice((f"nothing[{RANGES[1]}]", self.window(depth - 1)))
        return f"absent_over_time({inner})"

    # --- scalars -------------------------------------------------------------------------

    def scalar(self, depth: int) -> str:
        roll = self.rng.random()
        if depth > 0 and roll < 0.15:
            return f"scalar({self.vector(depth - 1)})"
        if depth > 0 and roll < 0.3:
            op = self.rng.choice(("+", "-", "*", "/", "%", "^"))
            return f"({self.scalar(depth - 1)} {op} {self.scalar(depth - 1)})"
        if roll < 0.36:
            return "time()"
        return self.rng.choice(("0", "1", "2", "0.5", "-3", "100", "pi()", "Inf", "NaN"))
