"""Functions that change each value separately, and those between scalars and vectors."""

from __future__ import annotations

from novaql.language.signatures.signature import SCALAR, VECTOR, Origin, Signature, by_name
from novaql.language.signatures.signature import Signature as Row

_NAMED = "MetricsQL retains the metric name."


def _elementwise(
    name: str, doc: str, argument: str = "node_load1", differences: str = ""
) -> Signature:
    return Row(
        name, (VECTOR,), VECTOR,
        f"{doc} NaN stays NaN; histograms are dropped.",
        f"{name}({argument})",
        differences=differences,
    )  # fmt: skip


def _bitwise(name: str, what: str) -> Signature:
    return Row(
        name, (VECTOR, SCALAR), VECTOR,
        f"Bitwise {what} of each value and the second argument, as whole numbers below 2^64, "
        "fractions cut off. NaN if either is negative, too large or NaN; histograms are dropped.",
        f"{name}(build_number, 3)",
        origin=Origin.METRICSQL,
    )  # fmt: skip


def _random(name: str, what: str) -> Signature:
    return Row(
        name, (SCALAR,), SCALAR,
        f"{what}, another one at each step; with a seed, the value of the argument at the first "
        "step, always the same ones.",
        f"vector({name}(1))",
        differences="MetricsQL has other numbers for the same seed.",
        optional=1,
        origin=Origin.METRICSQL,
    )  # fmt: skip


_ELEMENTWISE = by_name(
    _elementwise("abs", "Absolute value of each sample.", "node_load1 - 1"),
    _elementwise("ceil", "Each value rounded up to a whole number.", differences=_NAMED),
    _elementwise("floor", "Each value rounded down to a whole number.", differences=_NAMED),
    _elementwise("exp", "e to the power of each value; +Inf where that is too large."),
    _elementwise("ln", "Natural logarithm; -Inf for 0, NaN below 0."),
    _elementwise("log2", "Binary logarithm; -Inf for 0, NaN below 0."),
    _elementwise("log10", "Decimal logarithm; -Inf for 0, NaN below 0."),
    _elementwise("sqrt", "Square root; NaN below 0."),
    _elementwise("sgn", "1 above 0, -1 below 0, 0 for 0.", "node_load1 - 1"),
    _elementwise("acos", "Arc cosine in radians; NaN outside -1 to 1."),
    _elementwise("acosh", "Inverse hyperbolic cosine; NaN below 1."),
    _elementwise("asin", "Arc sine in radians; NaN outside -1 to 1."),
    _elementwise("asinh", "Inverse hyperbolic sine."),
    _elementwise("atan", "Arc tangent in radians, -π/2 to π/2."),
    _elementwise("atanh", "Inverse hyperbolic tangent; ±Inf at ±1, NaN outside."),
    _elementwise("cos", "Cosine of an angle in radians; NaN for ±Inf."),
    _elementwise("cosh", "Hyperbolic cosine."),
    _elementwise("sin", "Sine of an angle in radians; NaN for ±Inf."),
    _elementwise("sinh", "Hyperbolic sine."),
    _elementwise("tan", "Tangent of an angle in radians; NaN for ±Inf."),
    _elementwise("tanh", "Hyperbolic tangent."),
    _elementwise("deg", "Radians turned into degrees."),
    _elementwise("rad", "Degrees turned into radians."),
)

LIFTED = frozenset(_ELEMENTWISE) | {"round", "clamp", "clamp_min", "clamp_max"}
"""Functions that change each value separately; in a range vector, each sample."""

TRANSFORMS = _ELEMENTWISE | by_name(
    Row("pi", (), SCALAR, "The number π.", "node_load1 * pi()"),
    Row(
        "round", (VECTOR, SCALAR), VECTOR,
        "Each value rounded to the nearest multiple of the second argument (1 if left out); "
        "halves go up, for negative values too.",
        "round(node_load1, 2)",
        optional=1,
        differences=_NAMED,
    ),
    Row(
        "clamp", (VECTOR, SCALAR, SCALAR), VECTOR,
        "Each value moved into the given bounds. Nothing if the lower one is the larger. If a "
        "value or a bound is NaN, the result is NaN, unless a bound alone decides: a lower one "
        "of +Inf, an upper one of -Inf.",
        "clamp(node_load1, 1, 10)",
        differences=_NAMED,
    ),
    Row(
        "clamp_min", (VECTOR, SCALAR), VECTOR,
        "Each value, or the bound where the value is smaller. NaN if either is NaN, unless the "
        "other is +Inf.",
        "clamp_min(node_load1, 1)",
        differences=_NAMED,
    ),
    Row(
        "clamp_max", (VECTOR, SCALAR), VECTOR,
        "Each value, or the bound where the value is larger. NaN if either is NaN, unless the "
        "other is -Inf.",
        "clamp_max(node_load1, 1)",
        differences=_NAMED,
    ),
    _bitwise("bitmap_and", "and"),
    _bitwise("bitmap_or", "or"),
    _bitwise("bitmap_xor", "exclusive or"),
    _random("rand", "Random numbers from 0 up to 1"),
    _random("rand_normal", "Normally distributed random numbers with mean 0 and deviation 1"),
    _random("rand_exponential", "Exponentially distributed random numbers with mean 1"),
    Row(
        "ru", (VECTOR, VECTOR), VECTOR,
        "ru(free, max): the used part of a resource in percent, from what is free of it and its "
        "size: 100 × (max - free) / max, negative values taken as 0.",
        "ru(node_filesystem_avail_bytes, node_filesystem_size_bytes)",
        origin=Origin.METRICSQL,
    ),
    Row(
        "ttf", (VECTOR,), VECTOR,
        "ttf(free): seconds until a resource is used up, from what is free of it: the value over "
        "its decrease since the step before, smoothed exponentially over the range of the query; "
        "at most a year. In an instant query the step is 5m.",
        "ttf(node_filesystem_avail_bytes)",
        origin=Origin.METRICSQL,
    ),
    Row(
        "absent", (VECTOR,), VECTOR,
        "1 with the labels of the equality matchers where the argument has no series; absent "
        "where it has one.",
        'absent(up{job="web"})',
    ),
    Row(
        "scalar", (VECTOR,), SCALAR,
        "Value of the only float of the argument; NaN if there is none or more than one.",
        "scalar(sum(node_load1))",
    ),
    Row(
        "vector", (SCALAR,), VECTOR,
        "The scalar as one series without labels.",
        "sum(errors) or vector(0)",
    ),
    Row(
        "sort", (VECTOR,), VECTOR,
        "The series by rising value, NaN last, histograms dropped. Only in instant queries: range "
        "results are ordered by labels, with a warning.",
        "sort(node_load1)",
        differences="MetricsQL also orders range results, by their last values.",
    ),
    Row(
        "sort_desc", (VECTOR,), VECTOR,
        "The series by falling value, NaN last, histograms dropped. Only in instant queries.",
        "sort_desc(node_load1)",
        differences="MetricsQL also orders range results, by their last values.",
    ),
    Row(
        "union", (VECTOR,), VECTOR,
        "All series of the arguments; of series with equal labels, names included, the first one "
        "has its values at all steps. A scalar is a series without labels. `(a, b)` means the "
        "same.",
        "union(up, vector(1))",
        variadic=True,
        origin=Origin.METRICSQL,
    ),
    Row(
        "limit_offset", (SCALAR, SCALAR, VECTOR), VECTOR,
        "At most as many series as the first argument, after skipping as many as the second, in "
        "the order of their labels, unless the argument is sorted. They are the same at all steps. "
        "`sum(x) limit 5` is `limit_offset(5, 0, sum(x))`. Both numbers are constants.",
        "limit_offset(1, 1, up)",
        origin=Origin.METRICSQL,
        differences="MetricsQL does not order the series.",
    ),
    Row(
        "min_of", (SCALAR, SCALAR), SCALAR,
        "The smaller of two scalars.",
        "min_of(step(), 60)",
        experimental=True,
        differences="MetricsQL does not have it.",
    ),
    Row(
        "max_of", (SCALAR, SCALAR), SCALAR,
        "The larger of two scalars.",
        "max_of(step(), 60)",
        experimental=True,
        differences="MetricsQL does not have it.",
    ),
)  # fmt: skip
