"""Odd data and queries: every function of a range, every modifier and parameter, at their edges.

Series have no samples, one, some before the range alone, some after it alone; values are infinite,
NaN, negative zero, as large as doubles get; counters are reset at both ends of a range; buckets of
classic histograms lack their last bound, have no other, decrease, or are counted as NaN.
"""

from __future__ import annotations

import math
import random

from novaql.tsdb.model.samples import STALE
from tests.support.generators.random_samples import SeriesSamples

ORDINARY = (0.0, 1.0, 2.0, 3.5, 7.0, 10.0)
ODD = (-0.0, -1.0, -4.0, math.nan, math.inf, -math.inf)
HUGE = (9e307, 1.5e308, -1.5e308, math.inf, -math.inf)
PARAMETERS = ("0", "0.5", "1", "1.9", "-1", "2", "NaN", "Inf", "-Inf", "1e30", "-1e30",
              "time() % 3", "scalar(nothing)")  # fmt: skip
EXTENDED = {"anchored": ("rate", "increase", "delta", "resets", "changes"),
            "smoothed": ("rate", "increase", "delta")}  # fmt: skip
ROLLUPS = (
    "rate", "increase", "delta", "irate", "idelta", "resets", "changes", "avg_over_time",
    "sum_over_time", "count_over_time", "min_over_time", "max_over_time", "last_over_time",
    "present_over_time", "first_over_time", "mad_over_time", "ts_of_min_over_time",
    "ts_of_max_over_time", "ts_of_first_over_time", "ts_of_last_over_time", "stddev_over_time",
    "stdvar_over_time", "deriv", "absent_over_time",
)  # fmt: skip
WITH_PARAMETERS = ("quantile_over_time", "predict_linear", "double_exponential_smoothing")
DATES = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month",
         "year")  # fmt: skip
SECONDS = ("-62135596801", "253402300800", "-1.5", "9.2e18", "-9.2e18", "1e19", "NaN", "-Inf",
           "951782400", "-2203891200", "-9223372028715321344")  # fmt: skip
BOUNDS = ("-1", "0", "0.5", "1", "1.0", "2", "+Inf", "Inf", "odd")
COUNTS = (0.0, 1.0, 2.0, 2.0 + 1e-13, 5.0, 9.0, math.nan, math.inf, -3.0)


def odd_series(rng: random.Random, first_ms: int, minutes: int) -> SeriesSamples:
    """Series `x` and buckets `h_bucket`, sampled every 30 s of the minutes where they are."""
    times = [first_ms + 30_000 * i for i in range(2 * minutes)]
    values = rng.choice((ORDINARY, ORDINARY, ORDINARY + ODD, ODD, HUGE))
    out: SeriesSamples = []
    for number in range(rng.randint(0, 4)):
        keep = rng.choice((0.1, 0.5, 1.0, 1.0))
        begin, end = sorted(rng.choices(range(len(times) + 1), k=2))
        some = times if rng.random() < 0.5 else times[begin:end]
        samples = [(t, rng.choice(values)) for t in some if rng.random() < keep]
        if rng.random() < 0.3:
            samples = [(t, STALE if rng.random() < 0.2 else v) for t, v in samples]
        out.append(({"__name__": "x", "n": str(number)}, samples))
    for bound in rng.sample(BOUNDS, rng.randint(0, 4)):
        samples = [(t, rng.choice(COUNTS)) for t in times]
        out.append(({"__name__": "h_bucket", "le": bound}, samples))
    return out


def odd_query(rng: random.Random, at_s: int) -> str:
    """A query of one of the families."""
    kinds = (_rollup, _rollup, _rollup, _clamp, _ranking, _quantiles, _histogram, _date, _extended,
             _extended, _aggregate)  # fmt: skip
    return rng.choice(kinds)(rng, at_s)


def _modifiers(rng: random.Random, at_s: int) -> str:
    offset = rng.choice(("", "", "", " offset 1m", " offset -1m", " offset 7m", " offset -7m"))
    at = rng.choice(("", "", "", " @ start()", " @ end()", f" @ {at_s}", f" @ {at_s + 45}"))
    return rng.choice((offset + at, at + offset))


def _window(rng: random.Random, at_s: int) -> str:
    if rng.random() < 0.2:
        inner = f"x{_modifiers(rng, at_s)}"
        return f"({inner})[{rng.choice(('2m', '5m'))}:{rng.choice(('30s', '1m'))}]"
    return f"x[{rng.choice(('30s', '1m', '2m', '5m'))}]{_modifiers(rng, at_s)}"


def _rollup(rng: random.Random, at_s: int) -> str:
    roll = rng.random()
    if roll < 0.15:
        return rollup_query(rng, at_s, "quantile_over_time")
    if roll < 0.25:
        return rollup_query(rng, at_s, "predict_linear")
    if roll < 0.35:
        return rollup_query(rng, at_s, "double_exponential_smoothing")
    return rollup_query(rng, at_s, rng.choice(ROLLUPS))


def rollup_query(rng: random.Random, at_s: int, function: str) -> str:
    """A function of a range."""
    window = _window(rng, at_s)
    match function:
        case "quantile_over_time":
            return f"{function}({rng.choice(PARAMETERS)}, {window})"
        case "predict_linear":
            return f"{function}({window}, {rng.choice(('60', '0', 'NaN', 'Inf'))})"
        case "double_exponential_smoothing":
            factors = [rng.choice(("0.5", "0.1", "NaN", "0", "1.5")) for _ in range(2)]
            return f"{function}({window}, {', '.join(factors)})"
        case _:
            return f"{function}({window})"


def _extended(rng: random.Random, at_s: int) -> str:
    modifier = rng.choice(tuple(EXTENDED))
    if modifier == "smoothed" and rng.random() < 0.25:
        return f"x smoothed{_modifiers(rng, at_s)}"
    function = rng.choice(EXTENDED[modifier])
    return f"{function}(x[{rng.choice(('40s', '1m', '2m'))}] {modifier}{_modifiers(rng, at_s)})"


def _clamp(rng: random.Random, at_s: int) -> str:
    low, high = (rng.choice(("NaN", "Inf", "-Inf", "0", "-0", "2", "-3")) for _ in range(2))
    of = f"x{_modifiers(rng, at_s)}"
    return rng.choice((f"clamp({of}, {low}, {high})", f"clamp_min({of}, {low})",
                       f"clamp_max({of}, {high})", f"round({of}, {low})"))  # fmt: skip


def _ranking(rng: random.Random, _at_s: int) -> str:
    return f"{rng.choice(('topk', 'bottomk'))}({rng.choice(PARAMETERS)}, x)"


def _quantiles(rng: random.Random, _at_s: int) -> str:
    return f"quantile({rng.choice(PARAMETERS)}, x)"


def _aggregate(rng: random.Random, at_s: int) -> str:
    op = rng.choice(("sum", "avg", "min", "max", "count", "stddev", "stdvar", "group"))
    if rng.random() < 0.2:
        return 'count_values("v", x)'
    return f"{op}(x{_modifiers(rng, at_s)})"


def _histogram(rng: random.Random, _at_s: int) -> str:
    if rng.random() < 0.5:
        return f"histogram_quantile({rng.choice(PARAMETERS)}, h_bucket)"
    low, high = (rng.choice(("-Inf", "-2", "0", "0.3", "1", "5", "Inf", "NaN")) for _ in range(2))
    return f"histogram_fraction({low}, {high}, h_bucket)"


def _date(rng: random.Random, _at_s: int) -> str:
    return f"{rng.choice(DATES)}(vector({rng.choice(SECONDS)}))"
