"""Arrow columns of text → label columns, which are dictionary-encoded, and distinct series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from novaql.errors import InputError
from novaql.inputs.tables.arrow_numpy import arrow_of, numbers_of, valid_of
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import Codes, Ints, LabelColumn, SeriesTable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import compute
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    compute = lazy_module("pyarrow.compute")


def label_column(array: pa.Array[Any], column: str) -> LabelColumn:
    """One label from an array of text, dictionary, integer or boolean type; null is absent.

    Raises `InputError` for types without a unique text form.
    """
    kind = array.type
    if pa.types.is_null(kind):
        return LabelColumn.constant("", len(array))
    if isinstance(array, pa.DictionaryArray):
        indices, dictionary = array.indices, array.dictionary
    else:
        encoded = _as_text(array, column).dictionary_encode()
        indices, dictionary = encoded.indices, encoded.dictionary
    codes = numbers_of(indices).astype(np.int64)
    if indices.null_count:
        codes[~valid_of(indices)] = -1
    if len(dictionary) > 2 * len(codes):  # most texts are of other rows
        used, place = np.unique(codes, return_inverse=True)
        dictionary = dictionary.take(arrow_of(used[used >= 0]))
        codes = place - (1 if len(used) and used[0] < 0 else 0)
    try:
        texts = _as_text(dictionary, column).to_pylist()
    except UnicodeDecodeError as problem:
        raise InputError(f"column {column}: a label is not valid UTF-8: {problem}") from problem
    ids: dict[str, int] = {"": 0}
    translate = np.zeros(len(texts) + 1, np.int32)  # the last one is for null, index -1
    for number, text in enumerate(texts):
        translate[number] = ids.setdefault(text or "", len(ids))
    return LabelColumn(translate[codes], tuple(ids))


def map_columns(array: pa.Array[Any], column: str) -> dict[str, LabelColumn]:
    """Labels from a column of maps, structs, or lists of key and value pairs."""
    kind = array.type
    if isinstance(array, pa.StructArray):
        parts = zip(kind, array.flatten(), strict=True)
        return {field.name: label_column(part, f"{column}.{field.name}") for field, part in parts}
    if isinstance(array, pa.MapArray):
        keys, items = array.keys, array.items
    else:
        assert isinstance(array, pa.ListArray | pa.LargeListArray)
        pairs = array.values
        assert isinstance(pairs, pa.StructArray)
        keys, items = pairs.field(0), pairs.field(1)
    offsets = array.offsets.to_numpy().astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    names = label_column(keys[first:last], column)
    values = label_column(items[first:last], column)
    row = np.repeat(np.arange(len(array)), np.diff(offsets))
    if array.null_count:
        present = array.is_valid().to_numpy(zero_copy_only=False)[row]
        row, names, values = row[present], names.take(present), values.take(present)
    by_name = np.argsort(names.codes, kind="stable")
    ends = np.searchsorted(names.codes[by_name], np.arange(len(names.values) + 1))
    columns = {}
    for code, name in enumerate(names.values):
        entries = by_name[ends[code] : ends[code + 1]]
        if name and len(entries):
            codes = np.zeros(len(array), np.int32)
            codes[row[entries]] = values.codes[entries]
            columns[name] = LabelColumn(codes, values.values)
    return columns


def holds_labels(kind: pa.DataType) -> bool:
    """Whether a value of a type is several labels."""
    types = pa.types
    if types.is_map(kind) or types.is_struct(kind):
        return True
    if not (types.is_list(kind) or types.is_large_list(kind)):
        return False
    entry = kind.value_type
    return bool(types.is_struct(entry) and entry.num_fields == 2)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of texts, in any of Arrow's forms of them."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def distinct_series(columns: Mapping[str, LabelColumn], rows: int) -> tuple[SeriesTable, Ints]:
    """The distinct label sets of rows, in order of appearance, and which one each row has."""
    index, firsts = number_rows([column.codes for column in columns.values()], rows)
    table = SeriesTable.from_columns(
        len(firsts), {name: column.take(firsts) for name, column in columns.items()}
    )
    return table, index


def number_rows(codes: list[Codes], rows: int) -> tuple[Ints, Ints]:
    """Dense numbers of equal rows by first appearance, and the first row of each number.

    By hashing, not sorting: tens of millions of rows take about a second.
    """
    key = np.zeros(rows, np.int64)
    distinct = 1
    for column in codes:
        width = int(column.max(initial=0)) + 1
        if width == 1:
            continue
        if distinct * width >= 2**62:
            key, firsts = _hash(key)
            distinct = len(firsts)
        key = key * width + column
        distinct *= width
    return _hash(key)


def _hash(key: Ints) -> tuple[Ints, Ints]:
    if len(key) == 0:
        return key, key
    encoded = arrow_of(key).dictionary_encode()
    index = numbers_of(encoded.indices).astype(np.int64)
    firsts = np.empty(len(encoded.dictionary), np.int64)
    firsts[index[::-1]] = np.arange(len(key))[::-1]
    return index, firsts


def _as_text(array: pa.Array[Any], column: str) -> pa.Array[Any]:
    kind = array.type
    types = pa.types
    if is_text(kind):
        return array.cast(pa.large_string()) if types.is_string_view(kind) else array
    if isinstance(array, pa.DictionaryArray):
        return _as_text(array.dictionary_decode(), column)
    if isinstance(array, pa.RunEndEncodedArray):
        return _as_text(compute.call_function("run_end_decode", [array]), column)
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind):
        return array.cast(pa.large_string())
    raise InputError(
        f"column {column}: {kind} cannot be a label; "
        "turn it into text, or leave it out by naming the labels: frame(data, labels=[…])"
    )
