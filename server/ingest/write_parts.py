"""Split a remote-write message into parts that are small enough to decode at once.

A message of usual size is one part. In a larger one, the splitter scans and counts the time series
before it decodes them. It splits a time series that is larger than a part into several with the
same labels.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

from novaql import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs import LabelLimits, Message2, Places, RemoteWriteDecoder, WriteRequest
from novaql.inputs.protobuf import BYTES, bytes_field, field_end, fields, read_varint

PART_FIELDS = 1 << 13
"""Limit for samples, histograms and exemplars in a part of one large series."""

_SERIES_KEY = 0x0A
_OFTEN = 1 << 14
"""Fields that are scanned before the splitter yields to other bodies."""


@dataclass(frozen=True, slots=True)
class PartSizes:
    """Limits for the size of parts, in bytes.

    quick  for compiled code, which needs little memory in addition to the message
    plain  for Python, where a field of two bytes becomes objects of hundreds of bytes
    """

    quick: int = 3 << 19
    plain: int = 128 << 10


USUAL = PartSizes()


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive time series of a message.

    read    decodes the part; raises `InputError`, `LimitExceeded`
    places  start and end of each time series, in bytes
    some    decodes the time series with indexes of `places` from the first argument up to the
            second
    rest    decodes fields that are not time series; None: there are none
    octets  size of the part in the message, in bytes
    series  number of time series; 0: not counted, since the message is one part
    whole   the part contains whole time series; False: an error in it rejects the message
    """

    read: Callable[[], WriteRequest]
    octets: int
    series: int = 0
    places: Callable[[], Places] = list
    some: Callable[[int, int], WriteRequest] | None = None
    rest: Callable[[], WriteRequest] | None = None
    whole: bool = True


Parts = Generator[Part | None, None, None]
"""The parts of a message; None: yield to other bodies."""


def parts_1(
    data: memoryview, decoder: RemoteWriteDecoder, limits: LabelLimits, sizes: PartSizes = USUAL
) -> Parts:
    """The parts of a remote write 1.0 message. Raises `InputError`, `LimitExceeded`.

    The decoder evicts its series if a message of several parts is rejected.
    """
    if len(data) <= sizes.plain:
        yield _part_1(bytes(data), decoder)
        return
    try:
        yield from _parts_1(data, decoder, limits, sizes)
    except BaseException:
        decoder.forget()
        raise


def _parts_1(
    data: memoryview, decoder: RemoteWriteDecoder, limits: LabelLimits, sizes: PartSizes
) -> Parts:
    """Parts of `quick` bytes for compiled code, or of `plain` bytes where it cannot decode them."""
    at = series = 0
    whole = b""
    while at < len(data):
        found = decoder.decode_beginning(data[at:], sizes.quick)
        if found is not None:
            series += found.series
            limits.check_series(series)
            yield Part(partial(_same, found.request), found.end, found.series)
            at += found.end
            continue
        whole = whole or bytes(data)
        end = min(len(data), at + sizes.quick)
        while at < end:
            piece = _piece_1(whole, at, sizes.plain)
            series += piece.series
            limits.check_series(series)
            if piece.is_large:
                yield from _cut_series_1(whole, piece, decoder, limits, sizes.plain)
            else:
                yield _part_1(whole[at : piece.end], decoder, piece.series)
            at = piece.end


@dataclass(frozen=True, slots=True)
class _Piece:
    """Start and end of consecutive fields. is_large: they are the content of one time series"""

    begin: int
    end: int
    series: int
    is_large: bool = False


def _piece_1(data: bytes, begin: int, most: int) -> _Piece:
    """The fields from `begin` on, of about `most` bytes, or one larger time series."""
    at, series, end = begin, 0, len(data)
    while at < end and at - begin < most:
        first = at
        if data[at] == _SERIES_KEY:
            size, start = read_varint(data, at + 1, end)
            at = start + size
            if at > end:
                raise InputError(f"byte {first}: a time series ends behind the message")
            if at - first > most:
                if begin == first:
                    return _Piece(start, at, 1, is_large=True)
                return _Piece(begin, first, series)
            series += 1
        else:
            at = field_end(data, at, end)
    return _Piece(begin, at, series)


def _part_1(data: bytes, decoder: RemoteWriteDecoder, count: int = 0) -> Part:
    places: Places = []

    def series() -> Places:
        if not places:
            at = 0
            for number, kind, _, stop in fields(data, 0, len(data)):
                if number == 1 and kind == BYTES:
                    places.append((at, stop))
                at = stop
        return places

    def some(begin: int, end: int) -> WriteRequest:
        return decoder.decode_message(b"".join(data[a:b] for a, b in series()[begin:end]))

    def rest() -> WriteRequest:
        found, at = [], 0
        for number, kind, _, stop in fields(data, 0, len(data)):
            if number != 1 or kind != BYTES:
                found.append(data[at:stop])
            at = stop
        return decoder.decode_message(b"".join(found))

    return Part(partial(decoder.decode_message, data), len(data), count, series, some, rest)


def _cut_series_1(
    data: bytes, piece: _Piece, decoder: RemoteWriteDecoder, limits: LabelLimits, most: int
) -> Parts:
    """Split a time series into parts with its labels and some of its samples each."""
    at, stop = piece.begin, piece.end
    behind, labels = at, 0
    while behind < stop and data[behind] == _SERIES_KEY:
        size, start = read_varint(data, behind + 1, stop)
        behind = start + size
        labels += 1
        if labels > limits.labels or behind > stop:
            raise InputError(f"time series at byte {at}: it has more than {limits.labels} labels")

    def decode(inside: bytes) -> WriteRequest:
        return decoder.decode_message(bytes_field(1, inside))

    yield from _runs(data, data[at:behind], behind, stop, most, decode)


def _runs(
    data: bytes, head: bytes, at: int, stop: int, most: int, decode: Callable[[bytes], WriteRequest]
) -> Parts:
    """Parts of one time series. head: its labels, which each part repeats"""
    begin, held, series = at, 0, 1

    def part(end: int) -> Part:
        read = partial(decode, head + data[begin:end])
        return Part(read, end - begin, series, whole=False)

    walked, after = 0, at
    while after < stop:
        after = field_end(data, after, stop)
        walked += 1
        held += 1
        if after - begin >= most or held >= PART_FIELDS:
            yield part(after)
            begin, held, series = after, 0, 0
        if walked % _OFTEN == 0:
            yield None
    if begin < stop or at == stop:
        yield part(stop)


def parts_2(
    data: memoryview, decoder: RemoteWriteDecoder, limits: LabelLimits, sizes: PartSizes = USUAL
) -> Parts:
    """The parts of a remote write 2.0 message. Raises `InputError`, `LimitExceeded`."""
    if len(data) <= sizes.quick and (request := decoder.decode_2_quickly(data)) is not None:
        yield Part(partial(_same, request), len(data))
        return
    message = Message2(bytes(data), limits)
    for _ in message.walk(_OFTEN):
        yield None
    for first, last in message.groups(sizes.plain):
        size = message.octets(first, last)
        if last - first == 1 and size > sizes.plain:
            yield from _runs(*message.opened(first), sizes.plain, message.decode_one)
            continue
        yield Part(
            partial(message.decode, first, last),
            size,
            last - first,
            partial(message.places, first, last),
            partial(_some_2, message, first),
        )


def _some_2(message: Message2, first: int, begin: int, end: int) -> WriteRequest:
    return message.decode(first + begin, first + end)


def _same(request: WriteRequest) -> WriteRequest:
    return request
