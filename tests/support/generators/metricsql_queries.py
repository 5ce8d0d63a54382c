"""Random calls of functions that MetricsQL adds to PromQL, over the series of its differential
test: gauges `x{a, b, n, c}`, gauges `u{a, b}` of which no two values are equal, counters
`resets{a}`, buckets `h_bucket` and `v_bucket`."""

from __future__ import annotations

import random

_ROWS = (
    "range_avg", "range_first", "range_last", "range_linear_regression", "range_mad", "range_max",
    "range_median", "range_min", "range_stddev", "range_stdvar", "range_sum", "range_zscore",
    "running_avg", "running_max", "running_min", "running_sum", "keep_last_value",
    "keep_next_value", "interpolate", "drop_empty_series", "range_normalize",
)  # fmt: skip
_ROWS_AND_NUMBER = {
    "range_quantile": (0, 0.1, 0.5, 0.9, 1, -1, 2),
    "range_trim_outliers": (0, 0.5, 1, 3),
    "range_trim_spikes": (0, 0.1, 0.4, 1),
    "range_trim_zscore": (0, 0.7, 1.3, 3),
}
_OF_GROUPS = ("distinct", "geomean", "mad", "median", "mode", "sum2", "share", "zscore",
              "outliers_iqr", "histogram")  # fmt: skip
_RANKED = tuple(
    f"{kind}_{score}"
    for kind in ("topk", "bottomk")
    for score in ("avg", "last", "max", "median", "min")
)
_LABELS = {
    "label_set": ('"d", "1"', '"a", ""', '"__name__", "z"', '"a", "q", "d", "w"'),
    "label_del": ('"n"', '"__name__", "c"', '"none"'),
    "label_keep": ('"b", "__name__"', '"b"', '"a", "b"'),
    "label_copy": ('"b", "d"', '"none", "n"', '"a", "c", "b", "a"'),
    "label_move": ('"b", "d"', '"a2", "c"', '"a", "a"'),
    "label_map": ('"a", "x", "1", "y", ""', '"a2", "", "none"', '"none", "p", "q"'),
    "label_transform": ('"b", "[-0-9]", "_"', '"b", "(V)-", "$1$1"', '"b", "^V", ""',
                        '"none", "a", "b"', '"b", "9?", "."'),
    "label_lowercase": ('"b"', '"b", "none"'),
    "label_uppercase": ('"b", "a"',),
    "label_match": ('"a", "x|y"', '"a2", ""', '"b", "V"'),
    "label_mismatch": ('"a", "x|y"', '"a2", ""', '"b", "V.*"'),
    "label_value": ('"n"', '"a"', '"none"'),
    "labels_equal": ('"a", "a2"', '"none", "other"'),
    "alias": ('"z"', '""'),
    # Its script tests several groups: VictoriaMetrics overwrites groups that it still needs.
    "label_graphite_group": ("0", "5", "-1"),
}  # fmt: skip
_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC", "Australia/Lord_Howe")

COVERED = {
    *_ROWS, *_ROWS_AND_NUMBER, *_OF_GROUPS, *_RANKED, *_LABELS, "outliers_mad", "outliersk",
    "quantiles", "smooth_exponential", "remove_resets", "drop_common_labels", "bitmap_and",
    "bitmap_or", "bitmap_xor", "buckets_limit", "histogram_share", "prometheus_buckets", "ru",
    "timezone_offset", "union",
}  # fmt: skip
"""The parts of queries."""


class MetricsqlMaker:
    """Draws queries."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def query(self) -> str:
        inside = self._rng.choice(
            (self._row, self._row, self._row_and_number, self._group, self._group, self._ranked,
             self._label, self._label, self._other, self._buckets)
        )  # fmt: skip
        one = inside()
        whole = [one, one, one, f"({one}) * 2"]
        if inside not in (self._label, self._other):
            whole.append(f"sum({one})")
        return self._rng.choice(whole)

    def _gauges(self) -> str:
        return self._rng.choice(
            ("x", "x", 'x{a="x"}', 'x{b=~"V-[0-4]"}', "x - 4", "resets", "x > 3", "x < 20",
             "x != 0", "(x - 10) > 0")
        )  # fmt: skip

    def _row(self) -> str:
        return f"{self._rng.choice(_ROWS)}({self._gauges()})"

    def _row_and_number(self) -> str:
        name = self._rng.choice(tuple(_ROWS_AND_NUMBER))
        return f"{name}({self._rng.choice(_ROWS_AND_NUMBER[name])}, {self._gauges()})"

    def _clause(self) -> str:
        return self._rng.choice(("", "", " by (a)", " without (b, n)", " by (none)"))

    def _group(self) -> str:
        gauges, clause = self._gauges(), self._clause()
        kind = self._rng.randrange(5)
        if kind == 0:
            return f'quantiles("q", 0.25, 0.5, 1, {gauges}){clause}'
        if kind == 1:
            return f"outliers_mad({self._rng.choice((1, 2, 3.5))}, {gauges}){clause}"
        return f"{self._rng.choice(_OF_GROUPS)}({gauges}){clause}"

    def _ranked(self) -> str:
        k, clause = self._rng.randrange(4), self._clause()
        if self._rng.random() < 0.2:  # gaps are not distances here, and two series have equal ones
            return f"outliersk({k}, {self._rng.choice(('u', 'u - 4'))})"
        rest = self._rng.choice(("", "", ', "a=other"', ', "b=other"'))
        gauges = self._rng.choice(("u", "u > 20", "u < 50", 'u{a=~"x|y"}', "u - 4"))
        return f"{self._rng.choice(_RANKED)}({k}, {gauges}{rest}){clause}"

    def _label(self) -> str:
        name = self._rng.choice(tuple(_LABELS))
        return f"{name}({self._gauges()}, {self._rng.choice(_LABELS[name])})"

    def _other(self) -> str:
        gauges, number = self._gauges(), self._rng.choice((1, 6, 255))
        return self._rng.choice(
            (
                f"smooth_exponential({gauges}, {self._rng.choice((0, 0.3, 1, 2))})",
                "remove_resets(resets)",
                "remove_resets(resets > 2)",
                f"drop_common_labels({gauges})",
                f"drop_common_labels({gauges}, resets)",
                f"bitmap_and(abs({gauges}), {number})",
                f"bitmap_or(abs({gauges}), {number})",
                f"bitmap_xor(abs({gauges}), {number})",
                f"union({gauges}, x)",
                f"union({gauges}, resets, u)",
                f"({gauges}, u > 20)",
                "ru(x, x + 5)",
                "ru(x - 10, abs(x) + 2)",
                f'timezone_offset("{self._rng.choice(_ZONES)}")',
            )
        )

    def _buckets(self) -> str:
        buckets = self._rng.choice(("h_bucket", "v_bucket", 'h_bucket{a="x"}'))
        le = self._rng.choice((-1, 0, 0.2, 1.1, 2, 3, 7, 9, "Inf"))
        return self._rng.choice(
            (
                f"buckets_limit({self._rng.randrange(6)}, h_bucket)",
                f"histogram_share({le}, {buckets})",
                f'histogram_share({le}, {buckets}, "bound")',
                "prometheus_buckets(v_bucket)",
                'prometheus_buckets({__name__=~"[hv]_bucket"})',
            )
        )
