"""The table of states."""

from __future__ import annotations

import pytest

from novaql.server.incidents.model import (
    EntryType,
    IncidentResolved,
    Status,
    acknowledge,
    resolve,
    severity_of,
)


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


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        (["page"], "sev1"),
        (["Critical"], "sev1"),
        (["error"], "sev2"),
        (["warning"], "sev3"),
        (["ticket", "low"], "sev3"),
        (["info"], "sev5"),
        (["sev4"], "sev4"),
        (["info", "page"], "sev1"),
        (["purple"], "sev3"),
        ([], "sev3"),
    ],
)
def test_severities_of_alerts(labels: list[str], severity: str) -> None:
    assert severity_of(labels) == severity
