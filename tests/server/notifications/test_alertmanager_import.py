"""Configurations of Alertmanager: what becomes of them, and that amtool sends alerts alike."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.server.auth.roles import Role
from novaql.server.errors import Impossible, InvalidRequest
from novaql.server.http.strict_json import validate
from novaql.server.notifications.alertmanager_config import converted
from novaql.server.notifications.routing import destinations
from novaql.server.notifications.routing_config import RoutingBody, compile_plan
from tests.support.servers.alert_rig import AlertRig

FILE = """
global:
  smtp_smarthost: mail.example.com:587
  smtp_from: Nova <nova@example.com>
  smtp_auth_username: nova
  smtp_auth_password: s3cret-password
  slack_api_url: https://192.0.43.8/services/T0/B0/s3cret-hook
templates: ["/etc/alertmanager/*.tmpl"]
route:
  receiver: ops
  group_by: [alertname, cluster]
  group_wait: 45s
  group_interval: 1d12h
  routes:
    - match: {severity: page}
      match_re: {service: "a|b.*"}
      receiver: pager
      continue: true
      mute_time_intervals: [night]
    - matchers: ['{team="db", env!="test"}', 'note=~"x,y"']
      receiver: both
      group_wait: 0
receivers:
  - name: ops
    email_configs:
      - to: Ops <ops@example.com>, night@example.com
        headers: {Subject: x}
  - name: pager
    pagerduty_configs: [{routing_key: k}]
  - name: both
    webhook_configs:
      - url: https://192.0.43.8/alerts
        http_config: {authorization: {credentials: s3cret-bearer}}
    slack_configs:
      - channel: "#db"
inhibit_rules:
  - source_match: {severity: page}
    target_match_re: {severity: "ticket|info"}
    equal: [service]
time_intervals:
  - name: night
    time_intervals:
      - times: [{start_time: 22:00, end_time: "24:00"}]
        weekdays: ["monday:friday"]
        days_of_month: ["1", "-1"]
        location: Europe/Berlin
"""


def test_what_a_file_becomes() -> None:
    found = converted(FILE)
    pager, both = found.routing["route"]["routes"]

    assert found.routing["route"]["channels"] == ["ops"]
    assert found.routing["route"]["group_interval"] == "1d12h"
    assert pager == {
        "channels": [],
        "matchers": ['severity="page"', 'service=~"a|b.*"'],
        "continue": True,
        "mute_time_intervals": ["night"],
    }
    assert both["matchers"] == ['team="db"', 'env!="test"', 'note=~"x,y"']
    assert both["group_wait"] == "0s"
    assert both["channels"] == ["both", "both 2"]
    assert found.routing["inhibit_rules"] == [
        {
            "source_matchers": ['severity="page"'],
            "target_matchers": ['severity=~"ticket|info"'],
            "equal": ["service"],
        }
    ]
    (night,) = found.routing["time_intervals"][0]["time_intervals"]
    assert night["times"] == [{"start_time": "22:00", "end_time": "24:00"}]
    assert found.dropped == [
        "/receivers/0/email_configs/0/headers",
        "/receivers/1/pagerduty_configs",
        "/templates",
    ]
    mail = found.channels["ops"]["email"]
    assert (mail["host"], mail["port"], mail["tls"]) == ("mail.example.com", 587, "starttls")
    assert (mail["from"], mail["to"]) == (
        *("nova@example.com", ["ops@example.com", "night@example.com"]),
    )
    assert [found.channels[name]["send_resolved"] for name in ("ops", "both", "both 2")] == [
        *(False, True, False),
    ]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("a: [", "line 2, column 1"),
        ("- 1", "/route"),
        ("route: {receiver: x}", "/route/receiver"),
        ("route: {}\nreceivers: []", "/route/receiver"),
        (
            "route: {receiver: a, routes: [{receiver: []}]}\nreceivers: [{name: a}]",
            "/route/routes/0",
        ),
        ("route: {receiver: a, routes: 3}\nreceivers: [{name: a}]", "/route/routes"),
        ("route: {receiver: a}\nreceivers: [{name: a}, {name: a}]", "/receivers/1/name"),
        ("route: {receiver: a, group_wait: x}\nreceivers: [{name: a}]", "/route/group_wait"),
        ("route: {receiver: a}\nreceivers: [{name: a}]\nx: 2026-13-45", "cannot be read"),
        ("[" * 2000, "cannot be read"),
        (
            "".join(
                f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]\n" if n else "x0: &x0 [1]\n" for n in range(30)
            ),
            "aliases",
        ),
    ],
)
def test_what_is_no_such_file(document: str, place: str) -> None:
    with pytest.raises(Impossible, match=place):
        converted(document)


@pytest.mark.usefixtures("soon")
def test_each_integration_has_a_channel_of_its_own() -> None:
    url = "https://192.0.43.8/"
    several = {
        "team": ["1", "2"],
        "team 2": ["3"],
        "a,b": ["4"],
        "a;b": ["5"],
    }
    receivers = [
        {"name": name, "webhook_configs": [{"url": url + path} for path in paths]}
        for name, paths in several.items()
    ]
    routes = [{"receiver": name} for name in several]
    document = {"route": {"receiver": "team", "routes": routes}, "receivers": receivers}
    done = converted(yaml.safe_dump(document))

    posts = {name: one["webhook"]["url"] for name, one in done.channels.items()}
    found = [[posts[name] for name in one["channels"]] for one in done.routing["route"]["routes"]]
    assert found == [[url + path for path in paths] for paths in several.values()]


@pytest.mark.parametrize("port", ["²", "9" * 5000])
def test_what_is_no_port(port: str) -> None:
    mail = {"to": "a@example.com", "from": "b@example.com", "smarthost": f"host:{port}"}
    receivers = [{"name": "x", "email_configs": [mail]}]
    done = converted(yaml.safe_dump({"route": {"receiver": "x"}, "receivers": receivers}))

    assert "smarthost" in done.problems["x"]


def test_a_quote_that_does_not_end() -> None:
    """The document of a megabyte has one matcher, which is not valid."""
    line = '"' + '\\"' * 200_000
    routes = [{"matchers": [f"a={line}"]}]
    route = {"receiver": "ops", "routes": routes}
    found = converted(yaml.safe_dump({"route": route, "receivers": [{"name": "ops"}]}))
    (child,) = found.routing["route"]["routes"]
    assert child["matchers"] == [f"a={line}"]
    with pytest.raises(InvalidRequest, match="/route/routes/0/matchers/0"):
        compile_plan(validate(RoutingBody, found.routing))


def test_it_is_taken_in(rig: AlertRig) -> None:
    tried = rig.post("/v1/alert-routing/import", {"document": FILE, "dry_run": True}, 200)
    assert tried["created"] == ["ops", "both", "both 2"]
    assert rig.get("/v1/alert-routing")["version"] == 0
    assert rig.get("/v1/notification-channels")["data"] == []

    done = rig.post("/v1/alert-routing/import", {"document": FILE}, 200)
    assert done["created"] == ["ops", "both", "both 2"]
    assert done["routing"]["version"] == 1
    shown = rig.ask("GET", "/v1/notification-channels").text
    audit = rig.ask("GET", "/v1/audit").text
    assert "s3cret" not in shown + audit + rig.ask("GET", "/v1/alert-routing").text
    labels = {"team": "db", "note": "x,y"}
    (there,) = rig.post("/v1/alert-routing/test", {"labels": labels}, 200)["destinations"]
    assert there["channels"] == ["both", "both 2"]

    stale = rig.ask("POST", "/v1/alert-routing/import", {"document": FILE})
    assert stale.status_code == 409
    again = rig.post("/v1/alert-routing/import", {"document": FILE, "version": 1}, 200)
    assert (again["created"], again["used"]) == ([], ["ops", "both", "both 2"])
    denied = rig.ask("POST", "/v1/alert-routing/import", {"document": FILE}, Role.OPERATOR)
    assert denied.status_code == 403


def test_channels_that_cannot_be_made_are_told(one: AlertRig) -> None:
    document = """
route: {receiver: chat, routes: [{receiver: mail}]}
receivers:
  - name: chat
    slack_configs: [{api_url: <secret>}]
  - name: mail
    email_configs: [{to: "{{ .x }}", smarthost: "m:25", from: a@b.c}]
"""
    one.post("/v1/notification-channels", {"name": "chat", "type": "sink"})
    done = one.post("/v1/alert-routing/import", {"document": document}, 200)

    assert (done["created"], done["used"]) == ([], ["chat"])
    assert done["missing"].keys() == {"mail"}
    assert done["routing"]["route"]["channels"] == ["chat"]
    assert done["routing"]["route"]["routes"][0]["channels"] == []


def test_private_targets_are_refused_and_nothing_is_made(one: AlertRig) -> None:
    document = """
route: {receiver: x}
receivers: [{name: x, webhook_configs: [{url: "http://10.0.0.1/"}]}]
"""
    refused = one.ask("POST", "/v1/alert-routing/import", {"document": document})

    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "target_not_allowed"
    assert one.get("/v1/notification-channels")["data"] == []


NAMES, VALUES = ("a", "b"), ("", "x", "y", "xy")
MATCHERS = st.builds(
    '{}{}"{}"'.format,
    st.sampled_from(NAMES),
    st.sampled_from(("=", "!=", "=~", "!~")),
    st.sampled_from((*VALUES, "x.*", "x|y")),
)


def trees(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    fields: dict[str, Any] = {
        "receiver": st.sampled_from(("r0", "r1", "r2", "r3")),
        "matchers": st.lists(MATCHERS, max_size=2),
        "continue": st.booleans(),
    }
    if depth:
        fields["routes"] = st.lists(trees(depth - 1), max_size=3)
    return st.fixed_dictionaries({}, optional=fields)


@pytest.mark.slow
@settings(deadline=None)
@given(
    routes=st.lists(trees(2), max_size=3),
    labels=st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES) for name in NAMES}),
)
def test_amtool_sends_alerts_to_the_same_receivers(
    tmp_path_factory: pytest.TempPathFactory, routes: list[Any], labels: dict[str, str]
) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool is not installed: `apt-get install prometheus-alertmanager`")
    document = yaml.safe_dump(
        {
            "route": {"receiver": "r0", "routes": routes},
            "receivers": [
                {"name": f"r{n}", "webhook_configs": [{"url": "http://192.0.43.8/"}]}
                for n in range(4)
            ],
        }
    )
    file: Path = tmp_path_factory.mktemp("amtool") / "alertmanager.yml"
    file.write_text(document)
    told = subprocess.run(
        [
            *(amtool, "config", "routes", "test", f"--config.file={file}"),
            *(f'{name}="{value}"' for name, value in labels.items()),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    plan = compile_plan(validate(RoutingBody, converted(document).routing))
    ours = [channel for one in destinations(plan.root, labels) for channel in one.channels]

    assert ours == told.strip().split(",")
