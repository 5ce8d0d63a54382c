"""The memory of metadata is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from novaql import tsdb
from novaql.tsdb import Metadata
from novaql.tsdb.store.writer import MOST_METADATA_BYTES

PART = 8
LONG = "h" * (MOST_METADATA_BYTES // PART - 1000)


@pytest.mark.slow
def test_metadata_beyond_the_limit_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tsdb.open(tmp_path, sync="os") as store:
        for number in range(PART + 2):
            store.set_metadata({f"m{number}": Metadata("gauge", LONG)})
        assert list(store.metadata()) == [f"m{number}" for number in range(PART)]
        assert [record.args for record in caplog.records] == [(f"m{PART}", 64)]

        # A shorter text makes space.
        store.set_metadata({"m0": Metadata("counter", "short"), "small": Metadata("gauge")})
        store.set_metadata({"large": Metadata("gauge", LONG[: len(LONG) // 2])})
        found = store.metadata()
        assert found["m0"] == Metadata("counter", "short")
        assert "small" in found
        assert "large" in found

    with tsdb.open(tmp_path, sync="os") as store:
        assert store.metadata() == found
        store.set_metadata({"one_more": Metadata("gauge", LONG)})
        assert store.metadata() == found


@pytest.mark.parametrize("wrong", ["\ud800", 5, None, ["x"]])
def test_metadata_that_is_not_text_is_refused(tmp_path: Path, wrong: Any) -> None:
    with tsdb.open(tmp_path, sync="os") as store:
        with pytest.raises(tsdb.InvalidBatch, match="not valid Unicode"):
            store.set_metadata({"a": Metadata("gauge"), "m": Metadata("gauge", wrong)})
        assert store.metadata() == {}
    with tsdb.open(tmp_path, sync="os") as store:
        assert store.metadata() == {}
