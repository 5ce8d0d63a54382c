"""The soak benchmark sends what it says, and prints a line a minute."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from benchmarks.soak import cycles, main


def test_a_cycle_is_from_a_flush_to_the_next() -> None:
    heads = [1, 5, 9, 1, 4, 9, 2, 3]
    minutes: list[dict[str, float]] = [
        {"minute": number, "rss_mib": 100 * number, "cache_mib": number, "head_mib": head}
        for number, head in enumerate(heads, 1)
    ]

    first, second = cycles(minutes)

    assert (first["from"], first["to"], first["rss_mib"]) == (1, 3, 200)
    assert second == {
        "from": 4, "to": 6, "rss_mib": 500, "cache_mib": 5, "without_cache_mib": 495,
        "least_mib": 396,
    }  # fmt: skip
    assert cycles(minutes[:3]) == []


@pytest.mark.slow
def test_every_minute_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAQL_COMPILED", "off")
    load = ["--samples", "40", "--interval", "5", "--churn", "0.6", "--rules", "4"]

    done = CliRunner().invoke(main, ["--minutes", "2", "--speed", "15", *load])

    assert done.exit_code == 0, done.output
    first, last = (json.loads(line) for line in done.output.splitlines())
    assert (first["minute"], last["minute"]) == (1, 2)
    assert 0 < first["samples"] < last["samples"] <= 4880
    assert first["samples"] % 40 == 0
    # 60 % of 200 in a minute are 2 a second; those of a message on its way are counted, too.
    assert last["series"] - 2 * last["samples"] // 40 in (200, 202)
    assert last["failed"] == 0
    assert last["queries"] > 0
    assert 0 < last["anonymous_mib"] < last["rss_mib"]
    assert {"cache_mib", "head_mib", "blocks"} <= last.keys()
