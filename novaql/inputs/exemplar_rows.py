"""Exemplars of remote write, read one by one and collected into columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from novaql.errors import InputError
from novaql.inputs.protobuf.label_fields import label_pair
from novaql.inputs.protobuf.wire import BYTES, FIXED64, VARINT, fields, read_varint, signed
from novaql.tsdb.model.exemplars import Exemplars
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS

_DOUBLE = Struct("<d")


class Exemplar(NamedTuple):
    """Milliseconds, value, labels."""

    time: int = 0
    value: float = 0.0
    labels: Mapping[str, str] = MappingProxyType({})


_EMPTY = Exemplar()


def read_exemplar(data: bytes, start: int, stop: int, symbols: Sequence[str] = ()) -> Exemplar:
    """Read one of a remote write message, with labels (1.0) or references to symbols (2.0).

    Raises `InputError`.
    """
    if start == stop:  # one for all: a message may have a million of them
        return _EMPTY
    time, value, labels = 0, 0.0, dict[str, str]()
    references: list[int] = []
    for number, kind, first, last in fields(data, start, stop):
        if number == 1 and kind == BYTES and not symbols:
            name, label_value = label_pair(data, first, last)
            labels[name] = label_value
        elif number == 1 and kind in (BYTES, VARINT):
            at = first
            while at < last:
                reference, at = read_varint(data, at, last)
                references.append(reference)
        elif number == 2 and kind == FIXED64:
            value = _DOUBLE.unpack_from(data, first)[0]
        elif number == 3 and kind == VARINT:
            time = signed(read_varint(data, first, last)[0])
        elif number in (1, 2, 3):
            raise InputError(f"byte {first}: field {number} of an exemplar has wire type {kind}")
    if len(references) % 2 or max(references, default=0) >= max(1, len(symbols)):
        raise InputError(f"byte {start}: labels of an exemplar are not among the symbols")
    for name_at, value_at in zip(references[::2], references[1::2], strict=True):
        labels[symbols[name_at]] = symbols[value_at]
    return Exemplar(time, value, labels)


def exemplar_columns(rows: Ints, found: Sequence[Exemplar]) -> Exemplars | None:
    """Exemplars of these rows of a table; None for none. Labels without a name are dropped. Raises
    `InputError` for a time that cannot be stored."""
    if not found:
        return None
    for one in found:
        if not FIRST_SAMPLE_MS <= one.time <= LAST_SAMPLE_MS:
            raise InputError(f"the time {one.time} of an exemplar is out of range")
    return Exemplars(
        np.asarray(rows, np.int64),
        np.array([one.time for one in found], np.int64),
        np.array([one.value for one in found], np.float64),
        SeriesTable.from_dicts([{n: v for n, v in one.labels.items() if n} for one in found]),
    )
