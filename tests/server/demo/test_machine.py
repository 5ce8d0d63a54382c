"""This machine's metrics as text, read by another parser and scraped by ours."""

from __future__ import annotations

import psutil
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from novaql.server.demo.machine import node_registry


def samples() -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    text = generate_latest(node_registry()).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_cpu_seconds_of_every_processor_and_mode_only_grow() -> None:
    first, second = samples(), samples()
    cpus = {labels["cpu"] for labels, _ in first["node_cpu_seconds_total"]}
    assert len(cpus) == psutil.cpu_count()
    modes = {labels["mode"] for labels, _ in first["node_cpu_seconds_total"]}
    assert {"user", "system", "idle"} <= modes
    pairs = zip(first["node_cpu_seconds_total"], second["node_cpu_seconds_total"], strict=True)
    for (labels, before), (same, after) in pairs:
        assert labels == same
        assert after >= before


def test_memory_load_and_own_process_are_plausible() -> None:
    found = samples()
    total = found["node_memory_MemTotal_bytes"][0][1]
    assert total == psutil.virtual_memory().total
    assert 0 < found["node_memory_MemAvailable_bytes"][0][1] <= total
    assert found["node_load1"][0][1] >= 0
    assert 0 < found["process_resident_memory_bytes"][0][1] < total


def test_what_the_system_does_not_tell_takes_nothing_else_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(**_: object) -> None:
        raise PermissionError("not in this container")

    monkeypatch.setattr(psutil, "net_io_counters", denied)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: None)
    found = samples()
    assert not any(name.startswith(("node_network", "node_disk")) for name in found)
    assert "node_cpu_seconds_total" in found
    assert "node_memory_MemTotal_bytes" in found
