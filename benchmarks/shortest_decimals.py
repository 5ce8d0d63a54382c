"""Texts of random floats: compiled, compared with those of orjson and of `repr`.

    python -m benchmarks.shortest_decimals                    10^8 bit patterns, 2 processes
    python -m benchmarks.shortest_decimals --count 1000000000

Half of the values are random bit patterns, half have the sizes and the few decimals of metrics. All
are compared with orjson's (as Prometheus writes them), and each thousandth with `repr`'s. Decides
whether the compiled writer (`novaql/text/shortest.py`) may replace a library.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator

import click
import numpy as np
from rich.progress import track

from novaql.export.compiled_text import TEXTS
from novaql.export.json_values import ValueStyle
from novaql.export.prometheus_json import result_json
from novaql.result import Result, ResultKind
from novaql.text.floats import float_token, float_tokens
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.compiled import Mode

_CHUNK = 1 << 18


def values_of(seed: int) -> Floats:
    """Random bit patterns, and decimals of random sizes."""
    rng = np.random.default_rng(seed)
    half = _CHUNK // 2
    bits = rng.integers(0, 1 << 64, half, np.uint64, endpoint=False).view(np.float64)
    sizes = 10.0 ** rng.integers(-9, 24, half)
    places = int(rng.integers(0, 13))
    return np.concatenate([bits, np.round(rng.random(half) * sizes, places)])


def differences(seed: int) -> list[str]:
    """The texts that differ, of one chunk of values."""
    TEXTS.prepare()
    values = values_of(seed)
    times = np.zeros(len(values), np.int64)
    series = SeriesTable.unlabelled()
    result = Result(ResultKind.MATRIX, series, times, values.reshape(1, -1))
    with TEXTS.forced(Mode.ON):
        text = result_json(result, ValueStyle.TEXT)
    begin = text.index(b"[[") + 5
    found = text[begin:-5].split(b'"],[0,"')
    expected = float_tokens(values)
    expected[::1000] = [float_token(value) for value in values[::1000].tolist()]
    return [
        f"{value!r}: {a.decode()} instead of {b.decode()}"
        for value, a, b in zip(values.tolist(), found, expected, strict=True)
        if a != b
    ]


@click.command()
@click.option("--count", default=100_000_000, show_default=True)
@click.option("--processes", default=2, show_default=True)
@click.option("--seed", default=None, type=int, help="Default: a random one, which is printed.")
def main(count: int, processes: int, seed: int | None) -> None:
    """Compare, and print what differs."""
    seed = int(np.random.default_rng().integers(1 << 40)) if seed is None else seed
    chunks = -(-count // _CHUNK)
    found = 0
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        done: Iterator[list[str]] = pool.imap_unordered(differences, range(seed, seed + chunks))
        if sys.stdout.isatty():
            done = iter(track(done, "comparing", total=chunks))
        for some in done:
            found += len(some)
            for one in some[:3]:
                click.echo(one)
    click.echo(f"{chunks * _CHUNK} values, seed {seed}: {found} differ")
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
