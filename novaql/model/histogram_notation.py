"""`{{schema:0 count:4 sum:5 buckets:[1 2 1]}}`: histograms as text, and back."""

from __future__ import annotations

import re

from novaql.model.float_histogram import (
    CUSTOM_SCHEMA,
    FloatHistogram,
    ResetHint,
    Span,
    populations,
)
from novaql.model.problems import NotationProblem
from novaql.model.sample_notation import format_float, parse_float

_ITEM = re.compile(r"\s*([a-z_]+)\s*:\s*(\[[^\]]*\]|[^\s\[\]]+)")
_KEYS = (
    "schema",
    "sum",
    "count",
    "z_bucket",
    "z_bucket_w",
    "buckets",
    "n_buckets",
    "offset",
    "n_offset",
    "custom_values",
    "counter_reset_hint",
)
_SCHEMAS = {*range(-4, 9), CUSTOM_SCHEMA}


def parse_histogram(text: str) -> tuple[FloatHistogram, bool]:
    """The histogram, and whether the text names a counter reset hint. Raises `NotationProblem`."""
    if not (text.startswith("{{") and text.endswith("}}")):
        raise NotationProblem(f"{text} is no histogram: it must be in {{{{ and }}}}")
    fields = _Fields(_split(text[2:-2].rstrip()))
    schema = fields.integer("schema")
    if schema not in _SCHEMAS:
        raise NotationProblem(f"there is no schema {schema}; use -4 to 8, or {CUSTOM_SCHEMA}")
    bounds = fields.numbers("custom_values")
    if bounds and schema != CUSTOM_SCHEMA:
        raise NotationProblem(f"custom_values need schema:{CUSTOM_SCHEMA}")
    histogram = FloatHistogram(
        schema=schema,
        count=fields.number("count"),
        sum=fields.number("sum"),
        zero_count=fields.number("z_bucket"),
        zero_threshold=fields.number("z_bucket_w"),
        positive=_span(fields.integer("offset"), fields.numbers("buckets")),
        negative=_span(fields.integer("n_offset"), fields.numbers("n_buckets")),
        custom_values=bounds,
        hint=fields.hint("counter_reset_hint"),
    )
    return histogram, "counter_reset_hint" in fields.texts


def format_histogram(histogram: FloatHistogram) -> str:
    """The shortest text that `parse_histogram` reads back as the same (compacted) histogram."""
    plain = histogram.compacted()
    parts = []
    if plain.schema:
        parts.append(f"schema:{plain.schema}")
    for key, number in (
        ("count", plain.count),
        ("sum", plain.sum),
        ("z_bucket", plain.zero_count),
        ("z_bucket_w", plain.zero_threshold),
    ):
        if number != 0:
            parts.append(f"{key}:{format_float(number)}")
    if plain.custom_values:
        parts.append(f"custom_values:[{_joined(plain.custom_values)}]")
    for prefix, spans in (("", plain.positive), ("n_", plain.negative)):
        if spans:
            first, end = spans[0].start, spans[-1].end
            counts = populations(spans)
            if first:
                parts.append(f"{prefix}offset:{first}")
            values = _joined(tuple(counts.get(i, 0.0) for i in range(first, end)))
            parts.append(f"{prefix}buckets:[{values}]")
    if plain.hint is not ResetHint.UNKNOWN:
        parts.append(f"counter_reset_hint:{plain.hint.value}")
    return "{{" + " ".join(parts) + "}}"


def _span(offset: int, counts: tuple[float, ...]) -> tuple[Span, ...]:
    return (Span(offset, counts),) if counts else ()


def _joined(numbers: tuple[float, ...]) -> str:
    return " ".join(map(format_float, numbers))


def _split(body: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(body):
        item = _ITEM.match(body, at)
        if item is None:
            raise NotationProblem(f"cannot read {body[at:].strip()!r} in a histogram")
        key, value = item.groups()
        if key not in _KEYS:
            raise NotationProblem(f"a histogram has no {key}; it has {', '.join(_KEYS)}")
        if key in found:
            raise NotationProblem(f"{key} is given twice in a histogram")
        found[key] = value
        at = item.end()
    return found


class _Fields:
    """Typed access to the texts of a histogram; each has a default."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def integer(self, key: str) -> int:
        text = self.texts.get(key, "0")
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise NotationProblem(f"{key} of a histogram is an integer, not {text!r}")
        return int(text)

    def number(self, key: str) -> float:
        return _number(key, self.texts.get(key, "0"))

    def numbers(self, key: str) -> tuple[float, ...]:
        text = self.texts.get(key, "[]")
        if not text.startswith("["):
            raise NotationProblem(f"{key} of a histogram must be in brackets, not {text!r}")
        return tuple(_number(key, item) for item in text[1:-1].split())

    def hint(self, key: str) -> ResetHint:
        text = self.texts.get(key, ResetHint.UNKNOWN.value)
        try:
            return ResetHint(text)
        except ValueError:
            raise NotationProblem(f"{key} is one of {', '.join(ResetHint)}, not {text!r}") from None


def _number(key: str, text: str) -> float:
    number = parse_float(text)
    if number is None:
        raise NotationProblem(f"{key} of a histogram is a number, not {text!r}")
    return number
