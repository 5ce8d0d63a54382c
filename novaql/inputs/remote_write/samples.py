"""Decodes the samples of many remote write time series together, as arrays.

A sample is a field 2 of its series: a double (field 1, left out when it is 0) and a time in
milliseconds (field 2, a varint). Times from 1971 to 2109 are varints of six bytes, so nearly every
sample has 18 bytes, or 9 if its value is 0. Series of such samples are decoded as arrays, all
others field by field.
"""

from __future__ import annotations

import struct
from dataclasses import field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.exemplar_rows import Exemplar, read_exemplar
from novaql.inputs.protobuf.wire import BYTES, FIXED64, VARINT, fields, read_varint, signed
from novaql.inputs.remote_write.histograms import WireHistogram, read_histogram
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

_FULL, _ZERO = 18, 9
_DOUBLE = struct.Struct("<d")
_SAMPLE, _EXEMPLAR, _HISTOGRAM = 2, 3, 4


@dataclass(frozen=True, slots=True, eq=False)
class DecodedSamples:
    """Samples of all series, one series after the other.

    counts         samples of each series
    times, values  of all floats
    histograms     native histograms, each with the number of its series
    exemplars      exemplars, each with the number of its series
    """

    counts: Ints
    times: Ints
    values: Floats
    histograms: tuple[tuple[int, WireHistogram], ...]
    exemplars: tuple[tuple[int, Exemplar], ...]


def decode_samples(data: bytes, starts: Ints, stops: Ints) -> DecodedSamples:
    """Samples of the series whose fields behind the labels lie in data[starts[i]:stops[i]].

    Raises `InputError` on a malformed field.
    """
    octets = np.frombuffer(data, np.uint8)
    sizes = stops - starts
    counts = np.where(sizes == _ZERO, 1, sizes // _FULL)
    usual_size = (sizes == _ZERO) | ((sizes > 0) & (sizes % _FULL == 0))
    full = np.flatnonzero(usual_size & (sizes != _ZERO))
    before = np.cumsum(counts[full]) - counts[full]
    owner = np.repeat(full, counts[full])
    nth = np.arange(len(owner)) - np.repeat(before, counts[full])
    full_ok, full_times, full_values = _full_samples(octets, starts[owner] + _FULL * nth)
    zero = np.flatnonzero(sizes == _ZERO)
    zero_ok, zero_times = _zero_samples(octets, starts[zero])

    odd = ~usual_size
    odd[owner[~full_ok]] = True
    odd[zero[~zero_ok]] = True
    one_by_one = [
        (at, _read_fields(data, int(starts[at]), int(stops[at])))
        for at in np.flatnonzero(odd).tolist()
    ]
    counts[odd] = [len(found.times) for _, found in one_by_one]

    places = np.cumsum(counts) - counts
    total = int(counts.sum())
    times = np.empty(total, np.int64)
    values = np.zeros(total, np.float64)
    usual = ~odd[owner]
    to = places[owner[usual]] + nth[usual]
    times[to], values[to] = full_times[usual], full_values[usual]
    usual = ~odd[zero]
    times[places[zero[usual]]] = zero_times[usual]
    for at, found in one_by_one:
        there = slice(int(places[at]), int(places[at]) + len(found.times))
        times[there], values[there] = found.times, found.values
    return DecodedSamples(
        counts,
        times,
        values,
        tuple((at, one) for at, found in one_by_one for one in found.histograms),
        tuple((at, one) for at, found in one_by_one for one in found.exemplars),
    )


def _full_samples(octets: NDArray[np.uint8], at: Ints) -> tuple[Bools, Ints, Floats]:
    """Samples of 18 bytes: which of them are valid, their times and values."""
    if len(at) == 0:
        return np.zeros(0, np.bool_), np.zeros(0, np.int64), np.zeros(0)
    rows = sliding_window_view(octets, _FULL)[at]
    ok = (rows[:, 0] == 0x12) & (rows[:, 1] == 16) & (rows[:, 2] == 0x09) & (rows[:, 11] == 0x10)
    ok &= _is_six_byte_varint(rows[:, 12:])
    values = np.ascontiguousarray(rows[:, 3:11]).view("<f8").ravel().astype(np.float64, copy=False)
    return ok, _six_byte_varint(rows[:, 12:]), values


def _zero_samples(octets: NDArray[np.uint8], at: Ints) -> tuple[Bools, Ints]:
    """Samples of 9 bytes: which of them are valid, and their times."""
    if len(at) == 0:
        return np.zeros(0, np.bool_), np.zeros(0, np.int64)
    rows = sliding_window_view(octets, _ZERO)[at]
    ok = (rows[:, 0] == 0x12) & (rows[:, 1] == 7) & (rows[:, 2] == 0x10)
    ok &= _is_six_byte_varint(rows[:, 3:])
    return ok, _six_byte_varint(rows[:, 3:])


def _is_six_byte_varint(rows: NDArray[np.uint8]) -> Bools:
    found: Bools = (rows[:, :5] >= 0x80).all(axis=1) & (rows[:, 5] < 0x80)
    return found


def _six_byte_varint(rows: NDArray[np.uint8]) -> Ints:
    number = np.zeros(len(rows), np.int64)
    for place in range(6):
        number |= (rows[:, place].astype(np.int64) & 0x7F) << (7 * place)
    return number


@dataclass(slots=True)
class _Found:
    times: list[int]
    values: list[float]
    histograms: list[WireHistogram] = field(default_factory=list)
    exemplars: list[Exemplar] = field(default_factory=list)


def _read_fields(data: bytes, start: int, stop: int) -> _Found:
    found = _Found([], [])
    for number, kind, first, last in fields(data, start, stop):
        if number == _SAMPLE and kind == BYTES:
            time, value = _sample(data, first, last)
            found.times.append(time)
            found.values.append(value)
        elif number == _EXEMPLAR:
            if kind != BYTES:
                raise InputError(f"byte {first}: an exemplar has wire type {kind}")
            found.exemplars.append(read_exemplar(data, first, last))
        elif number == _HISTOGRAM:
            if kind != BYTES:
                raise InputError(f"byte {first}: a histogram has wire type {kind}")
            found.histograms.append(read_histogram(data, first, last))
        elif number == 1:
            raise InputError(f"byte {first}: labels follow the samples of their series")
    return found


def _sample(data: bytes, start: int, stop: int) -> tuple[int, float]:
    time, value = 0, 0.0
    for number, kind, first, last in fields(data, start, stop):
        if number == 1 and kind == FIXED64:
            value = _DOUBLE.unpack_from(data, first)[0]
        elif number == 2 and kind == VARINT:
            time = signed(read_varint(data, first, last)[0])
        elif number in (1, 2):
            raise InputError(f"byte {first}: field {number} of a sample has wire type {kind}")
    return time, value
