"""Names of OTLP metrics and attributes as Prometheus writes them: underscores, units, `_total`."""

from __future__ import annotations

import re

_NOT_IN_METRICS = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9_]")
_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds",
    "us": "microseconds", "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes",
    "MiBy": "mebibytes", "GiBy": "gibibytes", "TiBy": "tibibytes", "KBy": "kilobytes",
    "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes", "B": "bytes", "KB": "kilobytes",
    "MB": "megabytes", "GB": "gigabytes", "TB": "terabytes", "m": "meters", "V": "volts",
    "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius", "Hz": "hertz",
    "%": "percent", "1": "",
}  # fmt: skip
_PER = {
    "s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week",
    "mo": "month", "y": "year",
}  # fmt: skip


def label_name(name: str) -> str:
    """Convert the name of an attribute to a label name."""
    shown = _NOT_IN_LABELS.sub("_", name)
    if shown[:1].isdigit():
        return f"key_{shown}"
    return f"key{shown}" if shown.startswith("_") and not shown.startswith("__") else shown


def metric_name(name: str, unit: str, *, counter: bool, gauge: bool) -> str:
    """The name of a metric and its unit; counters end in `_total`, gauges of unit 1 in `_ratio`."""
    words = [word for word in _NOT_IN_METRICS.split(name) if word]
    whole, _, per = unit.strip().partition("/")
    for suffix in (unit_words(whole), f"per_{_per(per)}" if per and "{" not in per else ""):
        extra = [word for word in _NOT_IN_METRICS.split(suffix) if word]
        if extra and not all(word in words for word in extra):
            words += extra
    if counter:
        words = [word for word in words if word != "total"] + ["total"]
    if unit == "1" and gauge:
        words = [word for word in words if word != "ratio"] + ["ratio"]
    shown = "_".join(words)
    return f"_{shown}" if shown[:1].isdigit() else shown


def unit_words(unit: str) -> str:
    """The unit in words: `ms` → `milliseconds`. Ignores annotations in braces."""
    return "" if "{" in unit else _UNITS.get(unit, unit)


def _per(unit: str) -> str:
    return _PER.get(unit, unit_words(unit))
