"""The severities of alerts."""

from __future__ import annotations

import pytest

from novaql.server.incidents.model import severity_of


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
