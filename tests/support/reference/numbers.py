"""Functions and operators of single numbers, as IEEE 754 and C have them."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from tests.support.reference.values import UnsureError

NAN, INF = math.nan, math.inf


def _guarded(function: Callable[[float], float]) -> Callable[[float], float]:
    """Python raises where C gives NaN or infinity."""

    def guarded(x: float) -> float:
        if math.isnan(x):
            return NAN
        try:
            return function(x)
        except ValueError:
            return NAN
        except OverflowError:
            return math.copysign(INF, x)

    return guarded


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    return _guarded(lambda x: -INF if x == 0 else function(x) if x > 0 else NAN)


def _near(x: float) -> float:
    """Return an angle. Raises `UnsureError` if its last digit turns it by much."""
    if math.isfinite(x) and abs(x) > 1e6:
        raise UnsureError("an angle of many turns")
    return x


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda x: float(function(x)) if math.isfinite(x) else x


ELEMENTWISE: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "exp": _guarded(lambda x: 0.0 if x == -INF else math.exp(x)),
    "ln": _logarithm(math.log),
    "log2": _logarithm(math.log2),
    "log10": _logarithm(math.log10),
    "sgn": lambda x: x if math.isnan(x) or x == 0 else math.copysign(1.0, x),
    "sqrt": _guarded(math.sqrt),
    "sin": _guarded(lambda x: math.sin(_near(x))),
    "cos": _guarded(lambda x: math.cos(_near(x))),
    "tan": _guarded(lambda x: math.tan(_near(x))),
    "asin": _guarded(math.asin),
    "acos": _guarded(math.acos),
    "atan": math.atan,
    "sinh": _guarded(math.sinh),
    "cosh": _guarded(lambda x: math.cosh(abs(x))),
    "tanh": math.tanh,
    "asinh": math.asinh,
    "acosh": _guarded(math.acosh),
    "atanh": _guarded(lambda x: math.copysign(INF, x) if abs(x) == 1 else math.atanh(x)),
    "deg": lambda x: x * 180 / math.pi,
    "rad": lambda x: x * math.pi / 180,
}


def divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a) or math.isnan(b):
        return NAN
    return math.copysign(INF, a) * math.copysign(1.0, b)


def modulo(a: float, b: float) -> float:
    if b == 0 or math.isinf(a):
        return NAN
    return math.fmod(a, b)


def power(a: float, b: float) -> float:
    if a == 0 and b < 0:
        odd = math.isfinite(b) and b == int(b) and int(b) % 2 == 1
        return math.copysign(INF, a) if odd else INF
    try:
        return math.pow(a, b)
    except ValueError:
        return NAN
    except OverflowError:
        return -INF if a < 0 and int(b) % 2 == 1 else INF


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": divide,
    "%": modulo,
    "^": power,
    "atan2": math.atan2,
}
COMPARISON: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def _exact(values: list[float]) -> float:
    """The sum of finite values, rounded once; infinite beyond the largest number."""
    exact = sum(map(Fraction, values), Fraction(0))
    try:
        return float(exact)
    except OverflowError:
        return INF if exact > 0 else -INF


def total(values: list[float]) -> float:
    """The sum of values without an order, exactly rounded if it is finite."""
    if all(math.isfinite(v) for v in values):
        return _exact(values)
    return sum(v for v in values if not math.isfinite(v))


def mean(values: list[float]) -> float:
    if all(math.isfinite(v) for v in values):
        return float(sum(map(Fraction, values), Fraction(0)) / len(values))
    return total(values) / len(values)


def _overflows(values: list[float]) -> bool:
    """Whether the sum overflows, before or at one of the values."""
    so_far = 0.0
    for value in values:
        so_far += value
        if math.isinf(so_far):
            return True
    return False


def total_in_order(values: list[float]) -> float:
    """The sum, one value after another: an infinity remains."""
    return sum(values) if _overflows(values) else total(values)


def mean_in_order(values: list[float]) -> float:
    """The mean. If a value is not finite, an overflow before it has no effect."""
    odd = [v for v in values if not math.isfinite(v)]
    return sum(odd) if odd else mean(values)


def variance(values: list[float]) -> float:
    """Population variance; NaN as soon as a value is not finite."""
    if not all(math.isfinite(v) for v in values):
        return NAN
    if max(map(abs, values)) > 1e150:
        raise UnsureError("squares that overflow")
    middle = mean(values)
    return total([(v - middle) * (v - middle) for v in values]) / len(values)


def quantile(q: float, values: list[float]) -> float:
    """Linear between ranks; NaN counts as the smallest value."""
    if math.isnan(q) or not values:
        return NAN
    if q < 0:
        return -INF
    if q > 1:
        return INF
    ordered = sorted(values, key=lambda v: (not math.isnan(v), v if not math.isnan(v) else 0))
    rank = q * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    share = rank - math.floor(rank)
    return ordered[low] * (1 - share) + ordered[high] * share


def least(values: list[float]) -> float:
    numbers = [v for v in values if not math.isnan(v)]
    return min(numbers) if numbers else NAN


def greatest(values: list[float]) -> float:
    numbers = [v for v in values if not math.isnan(v)]
    return max(numbers) if numbers else NAN


def round_to(x: float, nearest: float) -> float:
    inverse = divide(1.0, nearest)
    scaled = x * inverse + 0.5
    return divide(float(math.floor(scaled)) if math.isfinite(scaled) else scaled, inverse)


def larger(x: float, y: float) -> float:
    """Go's `math.Max`."""
    if INF in (x, y):
        return INF
    return NAN if math.isnan(x) or math.isnan(y) else max(x, y)


def smaller(x: float, y: float) -> float:
    """Go's `math.Min`."""
    return -larger(-x, -y)


def clamp(x: float, low: float, high: float) -> float:
    return larger(low, smaller(high, x))


# --- dates -----------------------------------------------------------------------------------


def civil(seconds: float) -> tuple[int, int, int]:
    """Year, month, day of a Unix time in UTC (days are counted from 1 March of year 0)."""
    days = int(seconds) // 86_400 + 719_468
    era, day_of_era = divmod(days, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year + era * 400 + (month <= 2), month, day


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _month_days(year: int) -> list[int]:
    return [31, 29 if _leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def date_part(name: str, seconds: float) -> float:
    if not -9_223_372_028_715_321_600 <= seconds < 2.0**63:
        return NAN
    year, month, day = civil(seconds)
    whole = int(seconds)
    parts: dict[str, Callable[[], int]] = {
        "minute": lambda: whole % 3600 // 60,
        "hour": lambda: whole % 86_400 // 3600,
        "day_of_week": lambda: (whole // 86_400 + 4) % 7,
        "day_of_month": lambda: day,
        "day_of_year": lambda: sum(_month_days(year)[: month - 1]) + day,
        "days_in_month": lambda: _month_days(year)[month - 1],
        "month": lambda: month,
        "year": lambda: year,
    }
    return float(parts[name]())


DATE_PARTS = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month",
              "month", "year")  # fmt: skip
