"""/v1/slo over HTTP, on counters whose events are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from novaql.rules.reading import read_rules
from novaql.server.clock import SteppedClock
from tests.support.servers.http_server import LocalServer, local_server

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
DAY = 86_400
RATIO = {"type": "ratio", "bad": 'requests_total{code="500"}', "total": "requests_total"}


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(NOW)


@pytest.fixture
def server(clock: SteppedClock) -> Iterator[LocalServer]:
    with local_server(clock=clock) as made:
        assert _service(made, "api").status_code == 201
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalServer]:
    """A server for questions that change nothing."""
    with local_server(clock=SteppedClock(NOW)) as made:
        assert _service(made, "api").status_code == 201
        yield made


def _service(server: LocalServer, name: str) -> httpx.Response:
    body = {"name": name, "owner": "team", "tier": "tier1"}
    return server.client.post("/v1/services", json=body, headers=server.bearer())


def _set(server: LocalServer, body: dict[str, Any], service: str = "api") -> httpx.Response:
    return server.client.post(f"/v1/slo/{service}", json=body, headers=server.bearer())


def _get(server: LocalServer, service: str = "api", **query: str) -> dict[str, Any]:
    answer = server.client.get(f"/v1/slo/{service}", params=query, headers=server.bearer())
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["slos"]
    assert isinstance(found, dict)
    return found


def _counter(
    server: LocalServer, code: str, points: Sequence[tuple[float, float]], **more: str
) -> None:
    """points: seconds before NOW, value."""
    end = NOW.timestamp()
    labels = {"__name__": "requests_total", "code": code, **more}
    samples = [(int((end - ago) * 1000), value) for ago, value in points]
    assert server.write([(labels, samples)]).status_code == 204


def _growing(total: float, seconds: int, step: int = 3600) -> list[tuple[float, float]]:
    """A counter that grows evenly to `total` over the last `seconds`, from a sample before them."""
    steps = seconds // step
    return [(seconds - i * step, total * i / steps) for i in range(steps + 1)]


def test_the_figures_of_a_million_events(server: LocalServer) -> None:
    _counter(server, "200", _growing(999_100, 30 * DAY))
    _counter(server, "500", _growing(900, 30 * DAY))
    made = _set(server, {"objective": "0.999", "indicator": RATIO})

    assert made.status_code == 201, made.text
    assert '"attainment":0.9991,' in made.text
    assert '"consumed":0.9,"remaining":0.1,"remaining_clamped":0.1' in made.text
    found = _get(server)
    assert found["events"] == 1_000_000
    assert found["burn_rates"]["1d"] == pytest.approx(0.9)
    assert found["status"] == "ok"
    assert found["coverage"] == pytest.approx(1, abs=0.002)


def test_every_burn_rate_to_the_last_digit(server: LocalServer) -> None:
    """All million events within five minutes: each window of the table holds the same ones."""
    _counter(server, "200", [(30 * DAY, 0.0), (540, 0.0), (240, 999_100.0)])
    _counter(server, "500", [(30 * DAY, 0.0), (540, 0.0), (240, 900.0)])
    made = _set(server, {"objective": "0.999", "indicator": RATIO})

    rates = dict.fromkeys(("5m", "30m", "1h", "2h", "6h", "1d", "3d"), 0.9)
    assert made.json()["burn_rates"] == rates
    assert '"burn_rates":{"5m":0.9,"30m":0.9,"1h":0.9,' in made.text
    # A tenth of the budget is left, which lasts a ninth of the window at nine tenths of its pace.
    assert made.json()["time_to_exhaustion"] == 30 * DAY / 9
    assert "99999" not in made.text.replace("999100", "")


@pytest.mark.parametrize(
    ("objective", "bad", "attainment", "consumed", "remaining"),
    [
        ("0.9995", 900, 0.9991, 1.8, -0.8),
        ("0.99", 900, 0.9991, 0.09, 0.91),
        ("0.7", 100_000, 0.9, 0.3333333333333333, 0.6666666666666666),
        ("0.95", 1, 0.999999, 0.00002, 0.99998),
    ],
)
def test_figures_worked_out_by_hand(
    server: LocalServer,
    objective: str,
    bad: int,
    attainment: float,
    consumed: float,
    remaining: float,
) -> None:
    _counter(server, "200", [(DAY, 0.0), (240, 1_000_000.0 - bad)])
    _counter(server, "500", [(DAY, 0.0), (240, float(bad))])
    found = _set(server, {"objective": objective, "indicator": RATIO}).json()

    shares = found["error_budget"]
    assert found["attainment"] == attainment
    assert (shares["consumed"], shares["remaining"]) == (consumed, remaining)
    assert shares["remaining_clamped"] == max(0, remaining)


def test_traffic_without_any_error_series(server: LocalServer) -> None:
    _counter(server, "200", _growing(1000, DAY))
    _set(server, {"objective": "0.99", "indicator": RATIO})
    found = _get(server)
    assert (found["attainment"], found["status"]) == (1.0, "ok")
    assert found["error_budget"]["remaining"] == 1.0
    assert found["coverage"] == pytest.approx(1 / 30, abs=0.001)


def test_good_events_instead_of_bad_ones(server: LocalServer) -> None:
    _counter(server, "200", _growing(990, DAY))
    _counter(server, "500", _growing(10, DAY))
    good = {"type": "ratio", "good": 'requests_total{code="200"}', "total": "requests_total"}
    _set(server, {"objective": "0.9", "indicator": good})
    found = _get(server)
    assert (found["attainment"], found["error_budget"]["consumed"]) == (0.99, 0.1)


def test_no_traffic_is_neither_perfect_nor_a_failure(server: LocalServer) -> None:
    _set(server, {"objective": "0.99", "indicator": RATIO})
    found = _get(server)
    assert found["status"] == "no_data"
    assert found["attainment"] is found["error_budget"] is None
    assert set(found["burn_rates"].values()) == {None}
    assert not any(alert["firing"] for alert in found["alerts"])


def test_events_count_not_minutes(server: LocalServer) -> None:
    """A quiet night with half of its few requests failing, and a busy day without a failure."""
    hours = [(24 * 3600 - i * 3600, i) for i in range(25)]
    night = 8
    good = [(ago, min(i, night) * 5 + max(i - night, 0) * 1000.0) for ago, i in hours]
    bad = [(ago, min(i, night) * 5.0) for ago, i in hours]
    _counter(server, "200", good)
    _counter(server, "500", bad)
    _set(server, {"objective": "0.99", "window": "1d", "indicator": RATIO})
    found = _get(server)
    assert found["attainment"] == 1 - 40 / (40 + 40 + 16_000)
    mean_of_hours = 1 - (night * 0.5) / 24
    assert abs(found["attainment"] - mean_of_hours) > 0.1


def test_a_window_longer_than_its_data(server: LocalServer) -> None:
    """Four days of thirty: their figures, and how much of the window they are."""
    _counter(server, "200", _growing(990, 4 * DAY))
    _counter(server, "500", _growing(10, 4 * DAY))
    _set(server, {"objective": "0.9", "indicator": RATIO})
    found = _get(server)
    assert (found["attainment"], found["events"]) == (0.99, 1000)
    assert found["coverage"] == 0.1333


def test_a_reset_inside_the_window(server: LocalServer) -> None:
    _counter(server, "200", [(7200, 100.0), (3600, 500.0), (1800, 50.0), (0, 150.0)])
    _counter(server, "500", [(7200, 10.0), (3600, 14.0), (1800, 1.0), (0, 2.0)])
    _set(server, {"objective": "0.9", "window": "2h", "indicator": RATIO})
    found = _get(server)
    assert found["events"] == (400 + 150) + (4 + 2)
    assert found["attainment"] == 1 - 6 / 556


def test_one_failure_of_three_pages_nobody(server: LocalServer) -> None:
    _counter(server, "200", [(3600, 0.0), (240, 1.0), (60, 2.0)])
    _counter(server, "500", [(3600, 0.0), (240, 0.0), (60, 1.0)])
    _set(server, {"objective": "0.999", "indicator": RATIO, "min_events": 100})
    found = _get(server)
    assert not any(alert["firing"] for alert in found["alerts"])
    assert any("only 3 events" in warning for warning in found["warnings"])


def test_a_page_clears_soon_after_the_errors(server: LocalServer, clock: SteppedClock) -> None:
    every_minute = [(3600 - 60 * i, i) for i in range(61)]
    _counter(server, "200", [(ago, 90.0 * i) for ago, i in every_minute])
    _counter(server, "500", [(ago, 10.0 * i) for ago, i in every_minute])
    _set(server, {"objective": "0.98", "indicator": RATIO})
    before = {a["severity"]: a["firing"] for a in _get(server)["alerts"]}
    assert before == {"page": False, "ticket": True}  # 10 % errors: a burn rate of 5

    _set(server, {"objective": "0.995", "indicator": RATIO, "version": 1})
    assert _get(server)["alerts"][0]["firing"]
    clock.step(timedelta(minutes=35))
    later = [(-60.0 * i, 5400.0 + 100 * i) for i in range(1, 36)]
    _counter(server, "200", later)
    _counter(server, "500", [(-60.0 * i, 600.0) for i in range(1, 36)])
    found = _get(server)
    assert not found["alerts"][0]["firing"]
    assert found["burn_rates"]["1h"] > 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"objective": "1"}, "/objective"),
        ({"objective": "0"}, "/objective"),
        ({"objective": "99.9"}, "/objective"),
        ({"window": "45x"}, "/window"),
        ({"window": {"period": "day", "zone": "Mars"}}, "/window/zone"),
        ({"indicator": {"type": "ratio", "total": "x"}}, "/indicator/good"),
        ({"indicator": {"type": "ratio", "total": "sum(x)", "bad": "y"}}, "/indicator/total"),
        ({"objective": 0.999}, "/objective"),
        ({"extra": 1}, "/extra"),
    ],
)
def test_what_is_no_objective(shared: LocalServer, change: dict[str, Any], pointer: str) -> None:
    answer = _set(shared, {"objective": "0.99", "indicator": RATIO, **change})
    assert answer.status_code == 400, answer.text
    assert pointer in [d["pointer"] for d in answer.json()["error"]["details"]]


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        ({"type": "threshold", "expr": "rat(", "op": "<", "threshold": 1}, "expr"),
        ({"type": "ratio", "good": "good", "total": "all{"}, "total"),
        ({"type": "ratio", "good": "all{", "total": "all"}, "good"),
        ({"type": "ratio", "bad": "bad{", "total": "all"}, "bad"),
        ({"type": "latency", "histogram": "all{", "threshold": 1}, "histogram"),
    ],
)
def test_an_expression_that_does_not_parse_tells_where(
    shared: LocalServer, broken: dict[str, Any], field: str
) -> None:
    answer = _set(shared, {"objective": "0.99", "indicator": broken})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["column"]) == (422, "syntax_error", 4)
    assert [d["pointer"] for d in error["details"]] == [f"/indicator/{field}"]


def test_thresholds_out_of_reach_are_accepted_with_a_warning(server: LocalServer) -> None:
    answer = _set(server, {"objective": "0.9", "indicator": RATIO})
    assert answer.status_code == 201
    assert "page_threshold_unreachable" in answer.json()["warnings"]


def test_versions_and_history(server: LocalServer, clock: SteppedClock) -> None:
    assert _set(server, {"objective": "0.99", "indicator": RATIO}).status_code == 201
    stale = _set(server, {"objective": "0.9", "indicator": RATIO})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "version_conflict")
    clock.step(timedelta(days=1))
    changed = _set(server, {"objective": "0.9", "indicator": RATIO, "version": 1})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    path = "/v1/slo/api/availability/history"
    terms = server.client.get(path, headers=server.bearer()).json()["terms"]
    assert [t["objective"] for t in terms] == ["0.9", "0.99"]
    assert terms[1]["valid_until"] == terms[0]["valid_from"] == "2026-04-02T12:00:00Z"
    assert terms[0]["valid_until"] is None


def test_unknown_services_and_objectives(shared: LocalServer) -> None:
    assert _set(shared, {"objective": "0.9", "indicator": RATIO}, "nope").status_code == 404
    for path in ("/v1/slo/nope", "/v1/slo/api?slo=nope", "/v1/slo/api/nope/history"):
        assert shared.client.get(path, headers=shared.bearer()).status_code == 404


def test_the_list_and_services_without_objective(server: LocalServer) -> None:
    _service(server, "quiet")
    _set(server, {"objective": "0.99", "indicator": RATIO})
    _set(server, {"name": "second", "objective": "0.9", "indicator": RATIO})

    def listed(**query: Any) -> list[str]:
        answer = server.client.get("/v1/slo", params=query, headers=server.bearer()).json()
        return [f"{one['service']}:{one.get('name', one['status'])}" for one in answer["data"]]

    assert listed() == ["api:availability", "api:second"]
    assert listed(include_unconfigured="true")[2:] == ["quiet:not_configured"]
    assert listed(status="ok") == []
    first = server.client.get("/v1/slo?limit=1", headers=server.bearer()).json()
    assert listed(limit=1, cursor=first["next_cursor"]) == ["api:second"]


def test_latency_at_a_bound_and_between_bounds(server: LocalServer) -> None:
    end = int(NOW.timestamp() * 1000)

    def series(name: str, last: float, **labels: str) -> Any:
        return ({"__name__": name, **labels}, [(end - 3_600_000, 0.0), (end, last)])

    answer = server.write(
        [
            series("took_bucket", 800.0, le="0.1"),
            series("took_bucket", 900.0, le="0.5"),
            series("took_bucket", 1000.0, le="+Inf"),
            series("took_count", 1000.0),
        ]
    )
    assert answer.status_code == 204
    for name, threshold in (("at", 0.1), ("between", 0.3)):
        indicator = {"type": "latency", "histogram": "took", "threshold": threshold}
        body = {"name": name, "objective": "0.5", "window": "1h", "indicator": indicator}
        assert _set(server, body).status_code == 201
    at, between = _get(server, slo="at"), _get(server, slo="between")
    assert (at["attainment"], at["events"]) == (0.8, 1000)
    assert between["attainment"] == pytest.approx(0.85)
    assert "threshold_is_no_bucket_bound_and_was_interpolated" in between["warnings"]
    assert "threshold_is_no_bucket_bound_and_was_interpolated" not in at["warnings"]


def test_minutes_in_which_an_expression_holds(server: LocalServer) -> None:
    end = int(NOW.timestamp() * 1000)
    points = [(end - 60_000 * i, 5.0 if i < 15 else 1.0) for i in reversed(range(60))]
    assert server.write([({"__name__": "depth"}, points)]).status_code == 204
    indicator = {"type": "threshold", "expr": "max(depth)", "op": "<", "threshold": 3}
    _set(server, {"objective": "0.5", "window": "1h", "indicator": indicator})
    assert _get(server)["attainment"] == pytest.approx(0.75)


def test_a_calendar_day(server: LocalServer) -> None:
    _counter(server, "200", _growing(720, DAY, 600))
    body = {
        "objective": "0.9",
        "window": {"period": "day", "zone": "Europe/Berlin"},
        "indicator": RATIO,
    }
    _set(server, body)
    found = _get(server)
    assert found["window"]["starts_at"] == "2026-03-31T22:00:00Z"
    assert found["window"]["ends_at"] == "2026-04-01T22:00:00Z"
    assert found["events"] == 720 * 14 / 24  # since midnight, 14 hours ago


def test_taking_a_service_away_archives_its_objectives(server: LocalServer) -> None:
    _set(server, {"objective": "0.99", "indicator": RATIO})
    assert server.client.delete("/v1/services/api", headers=server.bearer()).status_code == 204
    assert server.client.get("/v1/slo", headers=server.bearer()).json() == {"data": []}
    _service(server, "api")
    assert _set(server, {"objective": "0.9", "indicator": RATIO}).status_code == 201


def test_rules_that_prometheus_reads(server: LocalServer, tmp_path: Path) -> None:
    _set(server, {"objective": "0.999", "indicator": RATIO, "min_events": 10})
    path = "/v1/slo/api/availability/rules"
    answer = server.client.get(path, headers=server.bearer())
    assert answer.headers["content-type"].startswith("application/yaml")
    found = read_rules(answer.text, str(tmp_path / "rules.yml"))
    names = [rule.name for group in found.groups for rule in group.rules]
    assert "slo:sli_error:ratio_rate5m" in names
    assert names[-2:] == ["SLOBurnPage", "SLOBurnTicket"]
    page = yaml.safe_load(answer.text)["groups"][2]["rules"][0]
    assert "> 0.0144" in page["expr"]
    assert page["labels"] == {"service": "api", "slo": "availability", "severity": "page"}


@pytest.mark.parametrize(
    "name", ["a/b", ".", "..", "", " ", "a b", "-a", "a.", "é", "a%2Fb", "a\n", "x" * 64]
)
def test_a_name_that_is_no_part_of_a_path_is_refused(shared: LocalServer, name: str) -> None:
    answer = _set(shared, {"objective": "0.99", "indicator": RATIO, "name": name})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"][0]["pointer"] == "/name"


@pytest.mark.parametrize("name", ["a", "A.b-c_d", "x" * 63, "0"])
def test_every_other_name_can_be_reached(shared: LocalServer, name: str) -> None:
    made = _set(shared, {"objective": "0.99", "indicator": RATIO, "name": name})
    assert made.status_code == 201, made.text
    path, headers = f"/v1/slo/api/{name}", shared.bearer()
    assert shared.client.get(f"{path}/history", headers=headers).status_code == 200
    assert shared.client.delete(path, headers=headers).status_code == 204
