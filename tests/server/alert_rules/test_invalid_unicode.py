"""Bytes that are no UTF-8, of queries and templates, are U+FFFD in all answers; no list fails."""

from __future__ import annotations

import pytest

from tests.support.servers.alert_rig import AlertRig

LISTS = (
    "/v1/alerts",
    "/v1/alert-rules",
    "/v1/incidents",
    "/v1/notifications",
    "/v1/slo",
    "/v1/audit",
    "/prometheus/api/v1/rules",
    "/prometheus/api/v1/alerts",
)


def assert_lists_answer(rig: AlertRig) -> None:
    for path in LISTS:
        rig.get(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "template",
    [
        '{{ printf "%c" 55296 }}',
        r'{{ "\xff" }}',
        r'{{ (query "label_replace(vector(1),\"a\",\"\\xff\",\"\",\"\")" | first).Labels.a }}',
    ],
)
def test_template(rig: AlertRig, template: str) -> None:
    rig.route_to_log()
    made = rig.rule(
        name="Bad", expr="vector(1) > 0", annotations={"summary": template}, auto_incident=True
    )
    rig.step()

    (found,) = rig.alerts()
    assert found["annotations"]["summary"] == "\ufffd"
    (incident,) = rig.get("/v1/incidents")["data"]
    assert rig.get(f"/v1/incidents/{incident['id']}")
    assert len(rig.log()) == 1
    assert_lists_answer(rig)
    assert rig.ask("DELETE", f"/v1/alert-rules/{made['id']}").status_code == 204
    rig.step()
    assert_lists_answer(rig)


def test_error_of_a_rule(rig: AlertRig) -> None:
    made = rig.rule(expr=r'label_replace(vector(2), "\xff", "a", "", "") > 1')
    rig.step()

    found = rig.get(f"/v1/alert-rules/{made['id']}")
    assert found["last_error"].endswith("invalid destination label name in label_replace(): \ufffd")
    assert_lists_answer(rig)


def test_label_of_an_alert(rig: AlertRig) -> None:
    rig.rule(expr=r'label_replace(vector(2), "a", "\xff", "", "") > 1')
    rig.step()

    (found,) = rig.alerts()
    assert found["labels"]["a"] == "\ufffd"
    assert_lists_answer(rig)


def test_objective(rig: AlertRig) -> None:
    assert rig.post("/v1/services", {"name": "s1", "owner": "o", "tier": "tier1"})
    indicator = {
        "type": "threshold",
        "expr": r'label_replace(vector(2), "\xff", "a", "", "")',
        "op": "<",
        "threshold": 5.0,
    }
    objective = {"objective": "0.99", "window": "1d", "indicator": indicator}
    made = rig.post("/v1/slo/s1", objective)
    rig.step()

    assert made["status"] == "no_data"
    (warning,) = made["warnings"]
    assert warning.endswith("invalid destination label name in label_replace(): \ufffd")
    assert_lists_answer(rig)


def test_signal_of_a_service(rig: AlertRig) -> None:
    signals = {"traffic": r'label_replace(vector(2), "\xff", "a", "", "")', "errors": "vector(1)"}
    assert rig.post("/v1/services", {"name": "s2", "owner": "o", "tier": "1", "signals": signals})

    health = rig.get("/v1/services/s2/health")
    assert health["signals"]["traffic"]["value"] is None
    assert health["signals"]["errors"]["value"] == 1
    assert any(text.startswith("traffic cannot be evaluated") for text in health["warnings"])


@pytest.mark.parametrize("path", ["query", "parse_query"])
def test_text_of_a_query(rig: AlertRig, path: str) -> None:
    headers = rig.server.bearer()
    answer = rig.server.client.get(
        f"/prometheus/api/v1/{path}", params={"query": r'"\xff"', "time": "0"}, headers=headers
    )

    assert answer.status_code == 200
    assert "\ufffd" in answer.text


@pytest.mark.parametrize(
    "media", ["application/json", "text/csv", "application/vnd.apache.arrow.stream"]
)
@pytest.mark.parametrize(
    "query",
    [
        r'"\xff"',
        r'label_join(vector(1), "a", "\xff", "b", "c")',
        r'label_set(vector(1), "a", "\xff")',
    ],
)
def test_formats(rig: AlertRig, media: str, query: str) -> None:
    headers = {**rig.server.bearer(), "Accept": media}
    answer = rig.server.client.post("/v1/novaql", json={"query": query}, headers=headers)

    assert answer.status_code == 200, answer.text
    assert b"\\udcff" not in answer.content


@pytest.mark.parametrize(
    "query", [r'label_join(vector(1), "\xff", ",", "b")', r'count_values("\xff", vector(1))']
)
def test_names_of_labels(rig: AlertRig, query: str) -> None:
    headers = rig.server.bearer()
    answer = rig.server.client.post("/v1/novaql", json={"query": query}, headers=headers)

    assert answer.status_code == 422, answer.text
    assert "invalid" in answer.json()["error"]["message"]
