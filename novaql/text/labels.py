"""Label sets in PromQL's notation: `up{job="api"}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import repeat

from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable

_PLAIN_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r"}

FAMILY_PARTS = {
    "histogram": ("_bucket", "_count", "_sum"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "summary": ("_count", "_sum"),
}
"""Type of a metric family → suffixes of the names of its series."""


def series_text(labels: Mapping[str, str]) -> str:
    """A label set as a selector that would find it; `{}` for no labels.

    Names outside the classic alphabet are quoted. The text is one printable line for any labels, so
    that it can be printed in a terminal unchanged.
    """
    inside = [f"{label_name(n)}={quoted(v)}" for n, v in labels.items() if n != METRIC_NAME and v]
    return _selector(labels.get(METRIC_NAME, ""), ", ".join(inside))


def series_texts(series: SeriesTable) -> list[str]:
    """`series_text` of every series; each text of a label is quoted once."""
    columns: list[list[str]] = []
    for name in series.names():
        if name != METRIC_NAME:
            column, before = series.column(name), f"{label_name(name)}="
            codes = column.codes.tolist()
            cells = {code: before + quoted(column.values[code]) for code in set(codes) if code}
            columns.append([cells.get(code, "") for code in codes])
    metrics = series.column(METRIC_NAME).texts()
    insides = zip(*columns, strict=True) if columns else repeat((), len(metrics))
    return [
        _selector(metric, ", ".join(filter(None, inside)))
        for metric, inside in zip(metrics, insides, strict=True)
    ]


def _selector(metric: str, inside: str) -> str:
    if metric and not is_plain_metric(metric):
        inside = f"{quoted(metric)}, {inside}" if inside else quoted(metric)
        metric = ""
    return f"{metric}{{{inside}}}" if inside or not metric else metric


def quoted(text: str) -> str:
    """A string literal of PromQL in double quotes, with unprintable characters escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(c) or _visible(c) for c in text) + '"'


def printable(text: str) -> str:
    """The text on one line, with unprintable characters escaped, so that no label can control a
    terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _ESCAPES.get(c) or _visible(c) for c in text)


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"  # beyond ASCII, \x would mean a byte
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def label_name(name: str) -> str:
    """The name of a label in a selector: in quotes outside the classic alphabet."""
    return name if _PLAIN_LABEL.fullmatch(name) else quoted(name)


def is_plain_metric(name: str) -> bool:
    """Whether a metric name needs no quotes."""
    # Most names are plain, and a pattern takes several times as long.
    return (name.isascii() and name.isidentifier()) or _PLAIN_METRIC.fullmatch(name) is not None


def text_quoted(text: str) -> str:
    """A quoted string of the text formats, which escape less than PromQL does."""
    return '"' + text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'


def exposed_text(labels: Mapping[str, str]) -> str:
    """A label set as the text formats write it; names outside the classic alphabet are quoted."""
    metric = labels.get(METRIC_NAME, "")
    inside = [
        f"{name if _PLAIN_LABEL.fullmatch(name) else text_quoted(name)}={text_quoted(value)}"
        for name, value in labels.items()
        if name != METRIC_NAME and value
    ]
    if not is_plain_metric(metric):
        inside.insert(0, text_quoted(metric))
        metric = ""
    return f"{metric}{{{','.join(inside)}}}" if inside else metric
