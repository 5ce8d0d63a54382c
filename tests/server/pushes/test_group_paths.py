"""The path of a push names its group."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from novaql.server.clock import SteppedClock
from novaql.server.pushes.grouping import grouping_labels
from tests.server.pushes.conftest import found, send
from tests.support.servers.http_server import LocalServer


def encoded(text: str, padded: bool = True) -> str:
    found = base64.urlsafe_b64encode(text.encode()).decode()
    return found if padded else found.rstrip("=")


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("job/j", {"job": "j"}),
        ("job/j/", {"job": "j"}),
        ("job/j/a/1/b/2", {"job": "j", "a": "1", "b": "2"}),
        (f"job@base64/{encoded('a/b?')}", {"job": "a/b?"}),
        (f"job@base64/{encoded('a/b', padded=False)}/x/y", {"job": "a/b", "x": "y"}),
        (
            f"job/j/path@base64/{encoded('/var/tmp', padded=False)}",
            {"job": "j", "path": "/var/tmp"},
        ),
        (f"job/j/x@base64/{encoded('Ü')}", {"job": "j", "x": "Ü"}),
        ("job/j/x@base64/=", {"job": "j"}),
        ("job/j/x/", {"job": "j"}),
        ("job/j/job/k", {"job": "j"}),
        ("job/%C3%9C", {"job": "Ü"}),
    ],
)
def test_paths(server: LocalServer, clock: SteppedClock, path: str, labels: dict[str, str]) -> None:
    assert send(server, "PUT", path, "m 1\n").status_code == 200
    answer = server.prometheus("query", query="m", time=clock.now().timestamp()).json()
    assert [one["metric"] for one in answer["data"]["result"]] == [{"__name__": "m", **labels}]
    assert send(server, "DELETE", path).status_code == 202
    assert found(server, "m", clock.now() + timedelta(seconds=1)) == {}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("job/j/a", "odd number"),
        ("job/j/a/1/b", "odd number"),
        ("job/j/__x/1", "improper label name"),
        ("job/j/1a/1", "improper label name"),
        ("job/j/__name__@base64/eA", "improper label name"),
        ("job@base64/=", "job name is required"),
        ("job@base64/@@", "invalid base64"),
        ("job/j/x@base64/a", "invalid base64"),
        ("job/j/x@base64/_w", "invalid base64"),
    ],
)
def test_paths_that_are_refused(server: LocalServer, path: str, reason: str) -> None:
    for method in ("PUT", "POST", "DELETE"):
        answer = send(server, method, path, "m 1\n")
        assert (answer.status_code, reason in answer.text) == (400, True), answer.text


def test_a_grouping_key_is_independent_of_the_order() -> None:
    first = grouping_labels("j", "a/1/b/2", is_encoded=False)
    assert list(first.items()) == [("a", "1"), ("b", "2"), ("job", "j")]
    assert grouping_labels("j", "b/2/a/1", is_encoded=False) == first


def test_a_long_label_of_the_group_counts_for_each_series(server: LocalServer) -> None:
    """The server stores it once for each series."""
    body = "".join(f'm{{i="{n}"}} 1\n' for n in range(4000))

    over_body = send(server, "PUT", f"job/a/l/{'y' * 20_000}", body)
    over_quota = send(server, "PUT", f"job/a/l/{'y' * 5_000}", body)
    few = send(server, "PUT", f"job/a/l/{'y' * 20_000}", "m 1\n")

    assert over_body.status_code == 413
    assert over_body.json()["error"]["code"] == "body_too_large"
    assert over_quota.status_code == 409
    assert over_quota.json()["error"]["code"] == "limit_reached"
    assert few.status_code == 200
