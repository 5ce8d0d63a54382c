"""Random queries over native histograms, alone and among floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.generators.random_queries import RANGES, QueryMaker

METRICS = ("latency_total", "sizes_total", "depth", "mixed", "load", "requests_total")
OF_HISTOGRAMS = ("count", "sum", "avg", "stddev", "stdvar")
QUANTILES = ("0", "0.1", "0.5", "0.9", "1", "-1", "2", "NaN")
CUTS = ("0", "0.3", "1", "1.5", "2", "-0.7", "7", "Inf")


@dataclass
class NativeQueryMaker(QueryMaker):
    """A `QueryMaker` whose selectors find histograms, and whose operators and calls know them."""

    def selector(self, *, metrics: Sequence[str] = METRICS) -> str:
        if metrics is not METRICS:
            metrics = METRICS
        return super().selector(metrics=metrics)

    def vector(self, depth: int) -> str:
        if depth > 0 and self.rng.random() < 0.3:
            return self._of_histograms(depth)
        if depth > 0 and self.rng.random() < 0.12:
            return self._filled(depth)
        if depth > 0 and self.rng.random() < 0.08:
            return self._exact_ends()
        return super().vector(depth)

    def _of_histograms(self, depth: int) -> str:
        inner = self.vector(depth - 1)
        roll = self.rng.random()
        if roll < 0.3:
            return f"histogram_{self.rng.choice(OF_HISTOGRAMS)}({inner})"
        if roll < 0.45:
            return f"histogram_quantile({self.rng.choice(QUANTILES)}, {inner})"
        if roll < 0.55:
            low, high = self.rng.sample(CUTS, 2)
            return f"histogram_fraction({low}, {high}, {inner})"
        if roll < 0.65:
            return f"({inner}) {self.rng.choice(('</', '>/'))} {self.rng.choice(CUTS)}"
        if roll < 0.75:
            classic = f"{self.rng.choice(('seconds_bucket', 'seconds_bucket or seconds'))}"
            both = f'label_replace({classic}, "__name__", "seconds", "", "")'
            return f"histogram_quantile({self.rng.choice(QUANTILES)}, {both})"
        function = self.rng.choice(("rate", "increase", "delta", "irate", "idelta", "sum_over_time",
                                    "avg_over_time", "last_over_time", "resets"))  # fmt: skip
        return f"{function}({self.selector()}[{self.rng.choice(RANGES)}]{self.modifiers()})"

    def _filled(self, depth: int) -> str:
        op = self.rng.choice(("+", "-", "*", "/", "==", ">", "< bool"))
        fills = ("fill (0)", "fill_left (2)", "fill_right (-1)", "fill_left (1) fill_right (3)")
        one, other = f"({self.vector(depth - 1)})", f"({self.vector(depth - 1)})"
        matching = self.rng.choice(
            ("", " on (instance)", " ignoring (code)", " on (job) group_left",
             " on (instance) group_right")
        )  # fmt: skip
        return f"{one} {op}{matching} {self.rng.choice(fills)} {other}"

    def _exact_ends(self) -> str:
        name = self.rng.choice(("load", "requests_total", "limit"))
        if self.rng.random() < 0.2:
            return f"{name} smoothed{self.modifiers()}"
        how = self.rng.choice(("anchored", "smoothed"))
        functions = ("rate", "increase", "delta") + ("resets", "changes") * (how == "anchored")
        window = f"{name}[{self.rng.choice(RANGES)}] {how}{self.modifiers()}"
        return f"{self.rng.choice(functions)}({window})"
