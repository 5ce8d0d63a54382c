"""The times of the queries of a postmortem."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from novaql.server.clock import to_ms
from novaql.server.postmortems.load import window_of
from novaql.server.settings import Settings

START = datetime(2026, 4, 1, 12, 0, 7, tzinfo=UTC)
spans = st.integers(1, 10_000_000).map(float)


@given(spans, spans, st.integers(0, 10_000_000))
def test_it_is_around_the_start_and_ends_with_the_last_event(
    before: float, after: float, last: int
) -> None:
    settings = Settings(postmortem_before_s=before, postmortem_after_s=after)
    last_at = START + timedelta(milliseconds=last)
    found = window_of(settings, START, last_at)

    assert found.start_ms <= found.opened_ms == to_ms(START) <= found.end_ms
    assert found.opened_ms - found.start_ms <= before * 1000
    assert found.end_ms <= max(found.opened_ms, to_ms(last_at))
    assert found.end_ms - found.opened_ms <= after * 1000
    assert (found.opened_ms - found.start_ms) % found.step_ms == 0
    assert (found.end_ms - found.start_ms) // found.step_ms <= 1200
