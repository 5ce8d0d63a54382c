"""A log is replayed when a store opens."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from novaql import tsdb
from tests.support.store.model import batch_of


def test_the_log_states_which_segments_are_replayed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tsdb")
    with tsdb.open(tmp_path) as database:
        database.append(batch_of([({"__name__": "up"}, 1000, 1.0)]))
    assert caplog.messages == []

    with tsdb.open(tmp_path) as database:
        (first, *_) = sorted((tmp_path / "wal").iterdir())
        (line,) = caplog.messages
        assert line == f"{first} is replayed: {first.stat().st_size} bytes"
        database.flush()

    caplog.clear()
    tsdb.open(tmp_path).close()
    assert caplog.messages == []
