"""The cache of templates."""

from __future__ import annotations

import gc
import tracemalloc

from novaql.rules.templates import parse_alert_template


def test_trees_of_long_templates_are_cached_within_a_bound() -> None:
    long = "{{ $labels.instance }} " * 2000
    parse_alert_template(f"{long} first")
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(20):
            parse_alert_template(f"{long} {number}")
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 16 << 20
    finally:
        tracemalloc.stop()


def test_the_tree_of_a_template_is_cached() -> None:
    text = "{{ $labels.instance }} is down"
    assert parse_alert_template(text) is parse_alert_template(text)
