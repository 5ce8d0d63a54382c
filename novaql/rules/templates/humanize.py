"""Numbers for people: `1.235k`, `2h 3m 4s`, `12.5%`."""

from __future__ import annotations

import math

from novaql.rules.templates.go_format import significant
from novaql.rules.templates.problems import TemplateFailure
from novaql.rules.templates.values import time_text

_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def humanize(value: float) -> str:
    """Four digits and a metric prefix."""
    if value == 0 or not math.isfinite(value):
        return significant(value, 4)
    if abs(value) >= 1:
        return _scaled(value, _LARGE, 1000)
    return _small(value)


def humanize1024(value: float) -> str:
    """Four digits and a binary prefix."""
    if abs(value) <= 1 or not math.isfinite(value):
        return significant(value, 4)
    return _scaled(value, _BINARY, 1024)


def humanize_duration(value: float) -> str:
    """Seconds as days, hours, minutes and seconds, or with a prefix below one."""
    if not math.isfinite(value):
        return significant(value, 4)
    if value == 0:
        return significant(value, 4) + "s"
    if abs(value) < 1:
        return _small(value) + "s"
    sign, size = ("-" if value < 0 else ""), abs(value)
    whole = min(int(size), 2**63 - 1)
    seconds, minutes = whole % 60, whole // _MINUTE % 60
    hours, days = whole // _HOUR % 24, whole // _DAY
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{significant(size, 4)}s"


def humanize_percentage(value: float) -> str:
    """A ratio in percent."""
    return significant(value * 100, 4) + "%"


def humanize_timestamp(value: float) -> str:
    """Unix seconds as a date and time in UTC."""
    return time_text(timestamp_ms(value)) if math.isfinite(value) else significant(value, 4)


def timestamp_ms(value: float) -> int:
    """Milliseconds of Unix seconds. Raises `TemplateFailure` outside of the years 1678 to 2262."""
    if not math.isfinite(value) or abs(value * 1e9) > 2**63 - 1:
        raise TemplateFailure(f"{significant(value, 4)} is no time that can be shown")
    return int(value * 1e9) // 1_000_000


def _scaled(value: float, prefixes: tuple[str, ...], factor: int) -> str:
    prefix = ""
    for candidate in prefixes:
        if abs(value) < factor:
            break
        prefix = candidate
        value /= factor
    return significant(value, 4) + prefix


def _small(value: float) -> str:
    prefix = ""
    for candidate in _SMALL:
        if abs(value) >= 1:
            break
        prefix = candidate
        value *= 1000
    return significant(value, 4) + prefix
