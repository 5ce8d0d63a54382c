"""The table of states."""

from __future__ import annotations

import pytest

from server.incidents.model import EntryType, IncidentResolved, Status, acknowledge, resolve


@pytest.mark.parametrize(
    ("status", "again", "what"),
    [
        (Status.TRIGGERED, False, EntryType.ACKNOWLEDGED),
        (Status.TRIGGERED, True, EntryType.ACKNOWLEDGED),
        (Status.ACKNOWLEDGED, False, EntryType.ACKNOWLEDGER_ADDED),
        (Status.ACKNOWLEDGED, True, None),
    ],
)
def test_acknowledging(status: Status, again: bool, what: EntryType | None) -> None:
    assert acknowledge(status, again=again) is what


@pytest.mark.parametrize("again", [False, True])
def test_what_is_resolved_stays_so(again: bool) -> None:
    with pytest.raises(IncidentResolved):
        acknowledge(Status.RESOLVED, again=again)
    with pytest.raises(IncidentResolved):
        resolve(Status.RESOLVED)


@pytest.mark.parametrize("status", [Status.TRIGGERED, Status.ACKNOWLEDGED])
def test_what_is_open_resolves(status: Status) -> None:
    assert resolve(status) is Status.RESOLVED
