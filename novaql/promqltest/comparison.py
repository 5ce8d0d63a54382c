"""The differences between the expected and the actual result, as readable lines.

A line that starts with `-` is expected and missing, one with `+` was found and not expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from novaql.model.float_histogram import FloatHistogram, Span
from novaql.model.label_set import Labels
from novaql.model.sample_notation import format_float
from novaql.model.series_notation import Item, NamedHint, format_item
from novaql.promqltest.floats import floats_equal
from novaql.promqltest.outcome import Outcome, Sample
from novaql.promqltest.script import Eval, Expectation, Kind, TextExpectation
from novaql.result import ResultKind
from novaql.text.labels import series_text
from novaql.tsdb.model.matchers import compile_regex


def samples_equal(expected: float | NamedHint, found: Sample) -> bool:
    """Whether samples are of the same kind, and equal within the tolerance."""
    if isinstance(expected, NamedHint):
        return isinstance(found, FloatHistogram) and histograms_equal(
            expected.histogram, found, with_hint=expected.hint_given
        )
    return not isinstance(found, FloatHistogram) and floats_equal(expected, found)


def histograms_equal(
    expected: FloatHistogram, found: FloatHistogram, *, with_hint: bool = False
) -> bool:
    """Whether layouts are equal exactly, and populations within the tolerance; the hint only counts
    if requested."""
    a, b = expected.compacted(), found.compacted()
    same_layout = (
        a.schema == b.schema
        and a.custom_values == b.custom_values
        and a.zero_threshold == b.zero_threshold
        and _layout(a.positive) == _layout(b.positive)
        and _layout(a.negative) == _layout(b.negative)
    )
    if not same_layout or (with_hint and a.hint != b.hint):
        return False
    return all(floats_equal(x, y) for x, y in zip(_numbers(a), _numbers(b), strict=True))


def _layout(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    return [(span.start, len(span.counts)) for span in spans]


def _numbers(histogram: FloatHistogram) -> list[float]:
    counts = [c for span in (*histogram.positive, *histogram.negative) for c in span.counts]
    return [histogram.count, histogram.sum, histogram.zero_count, *counts]


def differences(case: Eval, found: Outcome) -> list[str]:
    """The differences of a result from the expectation, without those of annotations."""
    expected = case.expected
    if expected.text is not None:
        if found.text == expected.text:
            return []
        return [f"- string {expected.text!r}", f"+ {_summary(found)}"]
    if expected.scalar is not None:
        if found.scalar is not None and samples_equal(expected.scalar, found.scalar):
            return []
        return [f"- scalar {format_float(expected.scalar)}", f"+ {_summary(found)}"]
    if found.kind in (ResultKind.SCALAR, ResultKind.STRING):
        return ["- a vector", f"+ {_summary(found)}"]
    matrix = expected.matrix
    if (found.kind is ResultKind.MATRIX) != (matrix is not None or not case.instant):
        return [f"+ the result is a {found.kind}"]
    if matrix is not None:
        times: Sequence[int] = range(matrix.start_ms, matrix.end_ms + 1, matrix.step_ms)
    elif case.instant:
        return _instant_differences(expected, found)
    else:
        times = range(case.start_ms, case.end_ms + 1, case.step_ms)
    wanted = {
        series.labels: dict(zip(times, series.items, strict=False)) for series in expected.series
    }
    return [*_series_differences(wanted, found, times), *order_differences(found)]


def _instant_differences(expected: Expectation, found: Outcome) -> list[str]:
    wanted = {series.labels: {0: series.items[0]} for series in expected.series}
    # Times of instant results are not compared.
    moved = Outcome(
        found.kind,
        {labels: {0: next(iter(points.values()))} for labels, points in found.series.items()},
        found.repeated,
    )
    out = _series_differences(wanted, moved, [0])
    if not out and expected.ordered and list(wanted) != list(found.series):
        out = ["the order is another one:"]
        out += [f"- {series_text(dict(labels))}" for labels in wanted]
        out += [f"+ {series_text(dict(labels))}" for labels in found.series]
    return out


def order_differences(found: Outcome) -> list[str]:
    """A matrix must be sorted by labels."""
    if found.sorted:
        return []
    return [
        "the series are not sorted by labels:",
        *(f"+ {series_text(dict(labels))}" for labels in found.series),
    ]


def _series_differences(
    wanted: dict[Labels, dict[int, Item]], found: Outcome, times: Sequence[int]
) -> list[str]:
    out = [f"+ {series_text(dict(labels))} more than once" for labels in found.repeated]
    for labels, items in wanted.items():
        points = found.series.get(labels, {})
        if not _points_equal(items, points):
            out.append(f"- {series_text(dict(labels))} {_written(items, times)}")
            if labels in found.series:
                out.append(f"+ {series_text(dict(labels))} {_written(points, times)}")
                out.extend(_outside(points, times))
    for labels, points in found.series.items():
        if labels not in wanted:
            out.append(f"+ {series_text(dict(labels))} {_written(points, times)}")
            out.extend(_outside(points, times))
    return out


def _points_equal(items: dict[int, Item], points: dict[int, Sample]) -> bool:
    wanted = {time: item for time, item in items.items() if item is not None}
    return wanted.keys() == points.keys() and all(
        samples_equal(item, points[time]) for time, item in wanted.items()
    )


def _written(points: dict[int, Item] | dict[int, Sample], times: Sequence[int]) -> str:
    items = [points.get(time) for time in times]
    while items and items[-1] is None:
        items.pop()
    return " ".join(map(format_item, items)) or "(nothing)"


def _outside(points: dict[int, Sample], times: Sequence[int]) -> list[str]:
    places = set(times)
    return [
        f"+   at {time / 1000:g}s: {format_item(sample)}"
        for time, sample in points.items()
        if time not in places
    ]


def _summary(found: Outcome) -> str:
    if found.text is not None:
        return f"string {found.text!r}"
    if found.scalar is not None:
        return f"scalar {format_item(found.scalar)}"
    return f"a {found.kind} of {len(found.series)} series"


# --- annotations and failures ----------------------------------------------------------------


def annotation_differences(expected: Expectation, found: Outcome) -> list[str]:
    """Every line must match an annotation of its kind, and every annotation a line."""
    out: list[str] = []
    for kind, texts in ((Kind.WARN, found.warnings), (Kind.INFO, found.infos)):
        if kind in expected.forbidden:
            out.extend(f"+ {kind}: {text}" for text in texts)
        wanted = expected.annotations.get(kind, ())
        if not wanted:
            continue
        out.extend(
            f"- {kind}: {_described(line)}"
            for line in wanted
            if not any(text_matches(line, text) for text in texts)
        )
        out.extend(
            f"+ {kind}: {text}"
            for text in texts
            if not any(text_matches(line, text) for line in wanted)
        )
    return out


def failure_differences(expected: TextExpectation, message: str) -> list[str]:
    """Whether a failure is the expected one."""
    if text_matches(expected, message):
        return []
    return [f"- failure: {_described(expected)}", f"+ failure: {message}"]


def text_matches(expected: TextExpectation, text: str) -> bool:
    """Whether the expectation is the whole text, an RE2 pattern that occurs in it, or any text."""
    if expected.message is not None:
        return text.strip() == expected.message
    if expected.regex is not None:
        return compile_regex(expected.regex).search(text) is not None
    return True


def _described(expected: TextExpectation) -> str:
    if expected.message is not None:
        return expected.message
    return "any" if expected.regex is None else f"matching {expected.regex}"


def joined(lines: Iterable[str]) -> str:
    """Lines of a diff, indented below their statement."""
    return "\n".join(f"    {line}" for line in lines)
