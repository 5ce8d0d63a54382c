"""Findings about a page of metrics, as those of promtool: missing help, unusual names and units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.text.exposition_line import LineProblem, MetadataLine, read_line
from novaql.text.series_parser import parse_series
from novaql.tsdb.model.labels import METRIC_NAME

_BASE_OF_UNIT = {
    **{
        unit: unit
        for unit in [
            "amperes",
            "bytes",
            "celsius",
            "grams",
            "joules",
            "kelvin",
            "meters",
            "metres",
            "seconds",
            "volts",
        ]
    },
    **dict.fromkeys(("minutes", "hours", "days", "weeks"), "seconds"),
    **dict.fromkeys(("inches", "yards", "miles"), "meters"),
    **dict.fromkeys(("fahrenheit", "rankine"), "celsius"),
    **dict.fromkeys(("pounds", "ounces"), "grams"),
    "kelvins": "kelvin",
    "bits": "bytes",
    "calories": "joules",
}
_PREFIXES = [
    "pico",
    "nano",
    "micro",
    "milli",
    "centi",
    "deci",
    "deca",
    "hecto",
    "kilo",
    "kibi",
    "mega",
    "mibi",
    "giga",
    "gibi",
    "tera",
    "tebi",
    "peta",
    "pebi",
]
_ABBREVIATIONS = ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"]
_CAMEL_CASE = re.compile(r"[a-z][A-Z]")
_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
_BOUND = {"histogram": "le", "summary": "quantile"}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A metric, and the problem with it."""

    metric: str
    text: str

    def __str__(self) -> str:
        return f"{self.metric} {self.text}"


@dataclass(slots=True)
class _Family:
    """The metadata of a metric on a page; `kind` is "unknown" without a TYPE line."""

    name: str
    kind: str = "unknown"
    kind_given: bool = False
    help: str | None = None
    labels: set[str] = field(default_factory=set)
    seen: set[tuple[tuple[str, str], ...]] = field(default_factory=set)
    sampled: bool = False
    repeated: bool = False


def lint_metrics(page: bytes) -> list[Finding]:
    """Findings about a page in Prometheus's text format, sorted.

    Raises `InputError` with the line if the page does not parse.
    """
    families = _families(page)
    return sorted({found for family in families if family.sampled for found in _findings(family)})


def _families(page: bytes) -> list[_Family]:
    families: dict[str, _Family] = {}
    for number, line in enumerate(page.split(b"\n"), start=1):
        try:
            found = read_line(line.removesuffix(b"\r"), openmetrics=False)
            if isinstance(found, MetadataLine):
                _take_metadata(families.setdefault(found.metric, _Family(found.metric)), found)
            elif found is not None:
                _take_sample(families, parse_series(found.series.decode()))
        except LineProblem as problem:
            where = f"text:{number}:{problem.column + 1}"
            raise InputError(f"{where}: {problem.reason}") from None
    return list(families.values())


def _take_metadata(family: _Family, line: MetadataLine) -> None:
    if line.kind == "HELP":
        if family.help is not None:
            raise LineProblem(0, f"a second HELP line for {family.name}")
        family.help = line.text
    elif line.kind == "TYPE":
        if family.kind_given or family.sampled:
            raise LineProblem(0, f"a second TYPE line for {family.name}, or one behind its samples")
        family.kind, family.kind_given = line.text, True


def _take_sample(families: dict[str, _Family], labels: dict[str, str]) -> None:
    name = labels.pop(METRIC_NAME)
    family = families.get(name)
    if family is None:
        family = next(
            (
                owner
                for kind, parts in _PARTS.items()
                for part in parts
                if name.endswith(part)
                and (owner := families.get(name.removesuffix(part))) is not None
                and owner.kind == kind
            ),
            None,
        )
    if family is None:
        family = families[name] = _Family(name)
    family.sampled = True
    bound = _BOUND.get(family.kind)
    family.labels |= labels.keys() - {bound}
    key = tuple(sorted(labels.items()))
    if bound is None:  # lines of a histogram or summary belong to one metric
        family.repeated |= key in family.seen
        family.seen.add(key)


def _findings(family: _Family) -> Iterator[Finding]:
    for text in (*_about_name(family), *_about_kind(family)):
        yield Finding(family.name, text)
    if not family.help:
        yield Finding(family.name, "no help text")
    if family.repeated:
        yield Finding(family.name, "metric not unique")


def _about_name(family: _Family) -> Iterator[str]:
    name = family.name
    if (found := _unit(name)) and found[0] != found[1]:
        yield f'use base unit "{found[1]}" instead of "{found[0]}"'
    if ":" in name:
        yield "metric names should not contain ':'"
    if _CAMEL_CASE.search(name):
        yield "metric names should be written in 'snake_case' not 'camelCase'"
    if any(_CAMEL_CASE.search(label) for label in family.labels):
        yield "label names should be written in 'snake_case' not 'camelCase'"
    if any(_has_part(name.lower(), short) for short in _ABBREVIATIONS):
        yield "metric names should not contain abbreviated units"


def _about_kind(family: _Family) -> Iterator[str]:
    name, kind = family.name, family.kind
    if kind == "unknown":
        return
    if kind == "counter" and not name.endswith("_total"):
        yield 'counter metrics should have "_total" suffix'
    if kind != "counter" and name.endswith("_total"):
        yield 'non-counter metrics should not have "_total" suffix'
    if kind != "histogram" and name.endswith("_bucket"):
        yield 'non-histogram metrics should not have "_bucket" suffix'
    if kind not in _PARTS:
        for part in ("_count", "_sum"):
            if name.endswith(part):
                yield f'non-histogram and non-summary metrics should not have "{part}" suffix'
    if kind != "histogram" and "le" in family.labels:
        yield 'non-histogram metrics should not have "le" label'
    if kind != "summary" and "quantile" in family.labels:
        yield 'non-summary metrics should not have "quantile" label'
    if _has_part(name.lower(), kind):
        yield f"metric name should not include type '{kind}'"


def _has_part(name: str, part: str) -> bool:
    return f"_{part}_" in name or name.endswith(f"_{part}")


def _unit(name: str) -> tuple[str, str] | None:
    """The first unit in a name, and the base unit of its kind."""
    for word in name.split("_"):
        if word in _BASE_OF_UNIT:
            return word, _BASE_OF_UNIT[word]
        for prefix in _PREFIXES:
            if word.startswith(prefix) and (base := _BASE_OF_UNIT.get(word[len(prefix) :])):
                return word, base
    return None
