"""Small stores of series that come and go, in up to four blocks and a head."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from novaql import tsdb
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import STALE

NAMES = ("m_total", "m", "w_count", "zz", "aa")
LAST_S = 2200
ODD = (0.0, 1.0, 1.0, 2.0, float("nan"), float("inf"), -float("inf"))


def churned_store(rng: random.Random, folder: Path) -> tsdb.Database:
    """Series of several metrics, some with labels that others lack. Blocks may overlap in time and
    lack deleted samples."""
    database = tsdb.open(folder, sync="os", compaction=False)
    labels = _label_sets(rng)
    parts = rng.randint(1, 5)
    for part in range(parts):
        database.append(_samples(rng, labels, part))
        if part < parts - 1 or rng.random() < 0.5:
            database.flush()
        if rng.random() < 0.2:
            start_ms = rng.randrange(LAST_S) * 1000
            group = Matcher("g", MatchOp.EQUAL, str(rng.randrange(4)))
            database.delete([[group]], start_ms, start_ms + rng.randrange(600_000))
    if rng.random() < 0.2:
        database.compact()
    return database


def _label_sets(rng: random.Random) -> list[dict[str, str]]:
    found = {}
    for _ in range(rng.randint(1, 40)):
        one = {"__name__": rng.choice(NAMES), "i": str(rng.randrange(26))}
        if rng.random() < 0.8:
            one["g"] = str(rng.randrange(4))
        if rng.random() < 0.3:
            one[f"only{rng.randrange(3)}"] = "x"
        found[tuple(sorted(one.items()))] = one
    return list(found.values())


def _samples(rng: random.Random, labels: list[dict[str, str]], part: int) -> tsdb.Batch:
    rows, times, values = [], [], []
    regular = rng.random() < 0.6
    for row in rng.sample(range(len(labels)), rng.randint(1, len(labels))):
        begin = rng.choice((0, part * 400)) + rng.randrange(50) * 15
        moments = [begin * 1000 + 15_000 * n for n in range(rng.randrange(25))]
        if not regular:
            moments = sorted({moment + rng.randint(-5000, 5000) for moment in moments})
        rows += [row] * len(moments)
        times += moments
        values += _values(rng, len(moments))
    table = SeriesTable.from_dicts(labels)
    columns = np.array(rows, np.int64), np.array(times, np.int64)
    return tsdb.Batch(table, *columns, np.array(values, np.float64))


def _values(rng: random.Random, count: int) -> list[float]:
    """A counter, few values including special ones, or any values; and staleness markers."""
    kind = rng.randrange(3)
    found: list[float]
    if kind == 0:
        found = np.cumsum([rng.randrange(6) for _ in range(count)], dtype=np.float64).tolist()
    elif kind == 1:
        found = [rng.choice(ODD) for _ in range(count)]
    else:
        found = [rng.gauss(0, 1e3) for _ in range(count)]
    for place in {count - 1, rng.randrange(count or 1)} if count else ():
        if rng.random() < 0.3:
            found[place] = float(STALE)
    return found
