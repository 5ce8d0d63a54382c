"""label_replace, label_join, sort_by_label: functions that read labels alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import re2

from novaql.errors import EvaluationError
from novaql.evaluator.kernels.windows import Bools, Ints
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import StepMatrix, join_equal_rows
from novaql.span import Span
from novaql.text.go_text import template_parts
from novaql.text.unicode import is_utf8
from novaql.tsdb.model.labels import METRIC_NAME, LabelColumn, combine_codes
from novaql.tsdb.model.matchers import compile_regex


def label_replace(
    operand: StepMatrix,
    destination: str,
    template: str,
    source: str,
    regex: re2._Regexp[str],
    made: MadeLabels,
) -> StepMatrix:
    """Where the source label matches the whole pattern, write the filled-in template."""
    made.check_name(destination)
    source_column = operand.series.column(source)
    old = operand.series.column(destination)
    made.column(operand.rows)
    parts = template_parts(template, regex.groups, regex.groupindex)
    texts: list[str | None] = []
    for value in source_column.values:  # distinct values only
        match = made.match(regex, value)
        texts.append(None if match is None else made.joined(filled(parts, match, value)))
    made.column(0)
    changed = np.array([text is not None for text in texts], np.bool_)[source_column.codes]
    if not changed.any():
        return operand
    ids = {text: number for number, text in enumerate(old.values)}
    new_code = np.array(
        [0 if text is None else ids.setdefault(text, len(ids)) for text in texts], np.int32
    )
    codes = np.where(changed, new_code[source_column.codes], old.codes).astype(np.int32)
    return _written(operand, destination, LabelColumn(codes, tuple(ids)), changed)


def filled(parts: list[str | int], match: re2._Match[str], value: str) -> list[str]:
    """The parts of a template, with the groups of a match of the value."""
    groups: dict[int, str] = {}  # each is cut out of the value once
    for part in parts:
        if isinstance(part, int) and part not in groups:
            begin, end = match.span(part)  # -1, -1 if the group has no part in the match
            groups[part] = value[begin:end]
    return [groups[part] if isinstance(part, int) else part for part in parts]


def label_join(
    operand: StepMatrix, destination: str, separator: str, sources: list[str], made: MadeLabels
) -> StepMatrix:
    """Write the source labels' values, joined, into the destination label."""
    made.check_name(destination)
    made.column(operand.rows)
    columns = operand.series.columns
    present = {name: columns[name] for name in sources if name in columns}
    keys = combine_codes([column.codes for column in present.values()], operand.rows)
    _, first, of_row = np.unique(keys, return_index=True, return_inverse=True)
    chosen = {name: column.codes[first].tolist() for name, column in present.items()}
    texts = {name: column.values for name, column in present.items()}
    ids: dict[str, int] = {"": 0}
    new_code = np.zeros(len(first), np.int32)
    for number in range(len(first) if sources else 0):
        pieces = [texts[n][chosen[n][number]] if n in chosen else "" for n in sources]
        new_code[number] = ids.setdefault(made.joined(pieces, separator), len(ids))
    made.column(0)
    codes = new_code[of_row.ravel()]
    written = np.ones(operand.rows, np.bool_)
    return _written(operand, destination, LabelColumn(codes, tuple(ids)), written)


def checked_pattern(pattern: str, function: str, span: Span) -> re2._Regexp[str]:
    """The pattern of a function, at `span` in the text. Raises `EvaluationError`."""
    try:
        return compile_regex(pattern)
    except ValueError as problem:
        message = f"invalid regular expression in {function}(): {pattern}"
        raise EvaluationError(message, span, reason=str(problem)) from None


def check_destination(name: str, function: str, span: Span) -> None:
    """Check that a name is valid UTF-8 and not empty; any such text may name a label. Raises
    `EvaluationError`."""
    if name == "" or not is_utf8(name):
        raise EvaluationError(f"invalid destination label name in {function}(): {name}", span)


def check_source(name: str, function: str, span: Span) -> None:
    """Check, in the same way, the name of a label that is read."""
    if name == "" or not is_utf8(name):
        raise EvaluationError(f"invalid source label name in {function}(): {name}", span)


def _written(operand: StepMatrix, destination: str, column: LabelColumn, rows: Bools) -> StepMatrix:
    return joined_labels(put_column(operand, destination, column, rows))


def put_column(
    operand: StepMatrix, destination: str, column: LabelColumn, rows: Bools
) -> StepMatrix:
    """The operand with another column of labels; rows: those in which it was written."""
    nameless = operand.nameless
    if destination == METRIC_NAME:
        nameless = nameless & ~rows  # a name that the call wrote is retained
    return replace(
        operand, series=operand.series.with_column(destination, column), nameless=nameless
    )


def joined_labels(found: StepMatrix) -> StepMatrix:
    """The same with one row for each label set. Raises `EvaluationError` where two have values."""
    return join_equal_rows(found, keys=found.marked_keys())


def sort_by_label(
    operand: StepMatrix, names: list[str], checkpoint: Callable[[], None], *, descending: bool
) -> StepMatrix:
    """In natural order of the labels named, then of the whole label sets. A name that is repeated
    decides nothing: the first one does."""
    present = operand.take(np.flatnonzero(operand.presence()[:, 0]))
    rank = np.empty(present.rows, np.int64)
    rank[present.series.order()] = np.arange(present.rows)
    keys: list[Ints] = [rank]
    for name in reversed(dict.fromkeys(names)):
        checkpoint()
        column = present.series.column(name)
        by_size = sorted(range(len(column.values)), key=lambda c: _natural(column.values[c]))
        place = np.empty(len(by_size), np.int64)
        place[by_size] = np.arange(len(by_size))
        keys.append(place[column.codes])
    order = np.lexsort(keys)
    return replace(present.take(order[::-1] if descending else order), ordered=True)


def _natural(text: str) -> list[tuple[str, int, str]]:
    """Runs of digits compare as numbers, and with other texts by their characters."""
    keys = []
    for part in re.split(r"([0-9]+)", text):
        if part and "0" <= part[0] <= "9":
            number = part.lstrip("0")
            keys.append(("0", len(number), number))
        elif part:
            keys.append((part, 0, ""))
    return keys
