"""A damaged page under a server: the rest is answered, and both dialects name what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.store.model import Sample, batch_of

WORDS = "its samples are missing from this answer"


def filled(path: Path) -> list[Path]:
    """Two blocks, half an hour apart: a metric in each of them, and one in both."""
    with tsdb.open(path, cache_bytes=0) as database:
        for number, name in enumerate(("early", "late")):
            samples: list[Sample] = [
                ({"__name__": metric, "i": str(i)}, 1_800_000 * number + 1000 * i, float(i % 7))
                for metric in (name, "both")
                for i in range(50)
            ]
            database.append(batch_of(samples))
            database.flush()
    return sorted((path / "blocks").iterdir())


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.fixture(params=["page", "index"])
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, LocalServer]]:
    first, _ = filled(tmp_path / "store")
    flip(first, 50 if request.param == "page" else first.stat().st_size - 30)
    store = tsdb.open(tmp_path / "store", cache_bytes=0)
    with local_server(store) as server:
        yield request.param, server


def test_answers_name_the_damage(damaged: tuple[str, LocalServer]) -> None:
    what, server = damaged
    place = "times page 0" if what == "page" else "description"
    for _ in range(2):  # a cache does not hide it
        answer = server.novaql(query="count({i=~'.+'}) by (__name__)", time=1850)
        assert answer.status_code == 200
        told = answer.json()
        found = {s["metric"]["__name__"]: s["value"][1] for s in told["result"]}
        assert found == {"late": 50, "both": 50}
        assert told["warnings"] == []  # an hour later nothing of that block is needed
        answer = server.novaql(query="count(early or late offset -30m or both)", time=50)
        (warning,) = answer.json()["warnings"]
        assert warning.startswith(f"storage: blocks/0000000001.block: {place}")
        assert warning.endswith(WORDS)
        theirs = server.prometheus("query", query="early", time=50)
        assert theirs.status_code == 200
        assert theirs.json()["warnings"] == [warning]
        ranged = server.prometheus("query_range", query="both", start=0, end=1850, step=50)
        assert ranged.json()["warnings"] == [warning]
        assert len(ranged.json()["data"]["result"]) == 50
        fine = server.prometheus("query", query="late", time=1850)
        assert "warnings" not in fine.json()


def test_looking_for_series_goes_around_a_damaged_index(damaged: tuple[str, LocalServer]) -> None:
    what, server = damaged
    for path, parameters, wanted in (
        ("label/__name__/values", {}, {"both", "late"}),
        ("labels", {}, {"__name__", "i"}),
        ("series", {"match[]": "both"}, None),
    ):
        answer = server.prometheus(path, **parameters)
        assert answer.status_code == 200, answer.text
        found = answer.json()["data"]
        if wanted is None:
            assert len(found) == 50
        else:
            assert wanted <= set(found)
        if what == "index":
            (warning,) = answer.json()["warnings"]
            assert warning.startswith("storage: blocks/0000000001.block: description")


def test_nothing_is_told_of_a_sound_store(tmp_path: Path) -> None:
    filled(tmp_path / "store")
    with local_server(tsdb.open(tmp_path / "store")) as server:
        answer = server.novaql(query="count(early)", time=50).json()
        assert answer["warnings"] == []
        assert np.isclose(answer["result"][0]["value"][1], 50)
        assert "warnings" not in server.prometheus("labels").json()
