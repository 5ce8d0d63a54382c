"""Bodies as agents send them, made outside every timer: remote write, text, and other lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cramjam
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import START_MS, Fleet, Target
from novaql.inputs.protobuf.wire import varint
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats

_SAMPLE_BYTES = 18


def remote_write_messages(fleet: Fleet, *, together: int, series: int = 10_000) -> Iterator[bytes]:
    """Packed messages of remote write 1.0: every series of some targets, `together` samples each.

    In order of time; `series` is about how many a message has.
    """
    groups: list[list[int]] = [[]]
    count = 0
    for number, target in enumerate(fleet.targets):
        if count + len(target.series) > series and groups[-1]:
            groups.append([])
            count = 0
        groups[-1].append(number)
        count += len(target.series)
    bodies = [_body([fleet.targets[number] for number in group], together) for group in groups]
    scrapes = len(fleet.targets[0].times)
    for first in range(0, scrapes - together + 1, together):
        span = slice(first, first + together)
        for group, (body, places) in zip(groups, bodies, strict=True):
            own = [fleet.targets[number] for number in group]
            times = np.concatenate([np.tile(one.times[span], len(one.series)) for one in own])
            values = np.concatenate([one.values[:, span].ravel() for one in own])
            samples = np.frombuffer(sample_bytes(times, values), np.uint8)
            body[places] = samples.reshape(len(places), -1)
            yield bytes(cramjam.snappy.compress_raw(body.data))


def _body(targets: Sequence[Target], together: int) -> tuple[NDArray[np.uint8], Ints]:
    """A message without its samples, and the positions of the bytes of the samples: [series,
    bytes]."""
    size = _SAMPLE_BYTES * together
    parts, ends, end = [], [], 0
    for labels in (label_bytes(one) for target in targets for one in target.series):
        part = b"\x0a" + varint(len(labels) + size) + labels
        end += len(part) + size
        parts += [part, bytes(size)]
        ends.append(end)
    places = np.array(ends, np.int64)[:, None] - np.arange(size, 0, -1)
    return np.frombuffer(bytearray(b"".join(parts)), np.uint8), places


def churning_messages(count: int, *, series: int = 10_000) -> Iterator[bytes]:
    """Messages in which every series is new: pods that live for one scrape."""
    for message in range(count):
        parts: list[bytes] = []
        time = np.full(series, START_MS + 15_000 * message)
        samples = sample_bytes(time, np.arange(series, dtype=np.float64))
        for row in range(series):
            known = label_bytes(
                {
                    "__name__": "container_cpu_usage_seconds_total",
                    "container": f"c{row % 7}",
                    "namespace": f"team-{row % 40}",
                    "node": f"node-{row % 100:03d}",
                    "pod": f"web-{message:04x}-{row:05x}",
                }
            )
            own = samples[row * _SAMPLE_BYTES : (row + 1) * _SAMPLE_BYTES]
            parts += [b"\x0a", varint(len(known) + _SAMPLE_BYTES), known, own]
        yield bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def label_bytes(labels: Mapping[str, str]) -> bytes:
    """The label fields of a time series."""

    def field(key: bytes, content: bytes) -> bytes:
        return key + varint(len(content)) + content

    return b"".join(
        field(b"\x0a", field(b"\x0a", name.encode()) + field(b"\x12", labels[name].encode()))
        for name in sorted(labels)
    )


def sample_bytes(times: Ints, values: Floats) -> bytes:
    """Sample fields, 18 bytes each: times of these years are varints of six bytes."""
    out = np.empty((len(times), _SAMPLE_BYTES), np.uint8)
    out[:, 0], out[:, 1], out[:, 2], out[:, 11] = 0x12, 16, 0x09, 0x10
    out[:, 3:11] = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
    for place in range(6):
        more = 0x80 if place < 5 else 0
        out[:, 12 + place] = (times >> (7 * place) & 0x7F) | more
    return out.tobytes()


def text_blocks(fleet: Fleet, scrapes: int) -> Iterator[bytes]:
    """Prometheus text with times: all targets of the fleet, one scrape a block."""
    names = [
        [
            labels["__name__"]
            + "{"
            + ",".join(f'{k}="{v}"' for k, v in labels.items() if k != "__name__")
            + "}"
            for labels in target.series
        ]
        for target in fleet.targets
    ]
    for at in range(scrapes):
        lines: list[str] = []
        for target, series in zip(fleet.targets, names, strict=True):
            time = int(target.times[at])
            column = target.values[:, at].tolist()
            lines += [f"{n} {v!r} {time}\n" for n, v in zip(series, column, strict=True)]
        yield "".join(lines).encode()


def influx_blocks(scrapes: int) -> Iterator[bytes]:
    """Line protocol: 250 hosts of 8 cores, five fields a line."""
    rng = np.random.default_rng(4)
    for at in range(scrapes):
        shares = rng.random((2000, 4)).round(4).tolist()
        time = (START_MS + 15_000 * at) * 1_000_000
        yield "".join(
            f"cpu,cpu=cpu{row % 8},host=host-{row // 8:03d} "
            f"user={a},system={b},idle={c},iowait={d},nice={at}i {time}\n"
            for row, (a, b, c, d) in enumerate(shares)
        ).encode()


def json_blocks(scrapes: int, *, together: int) -> Iterator[bytes]:
    """Lines as VictoriaMetrics exports them, of 1 000 series."""
    rng = np.random.default_rng(5)
    for at in range(scrapes):
        lines: list[str] = []
        for row in range(1000):
            values = ",".join(map(repr, rng.random(together).round(3).tolist()))
            first = START_MS + 15_000 * together * at
            times = ",".join(str(first + 15_000 * n) for n in range(together))
            lines.append(
                f'{{"metric":{{"__name__":"m","row":"{row}"}},'
                f'"values":[{values}],"timestamps":[{times}]}}\n'
            )
        yield "".join(lines).encode()
