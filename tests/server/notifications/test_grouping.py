"""Who is told, in which group, and when again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from novaql.server.notifications.grouping import (
    LastNotification,
    Reason,
    first_flush,
    next_flush,
    reason_to_notify,
)
from novaql.server.notifications.routing import Destination, Route, destinations
from novaql.tsdb.model.matchers import Matcher, MatchOp

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _is(name: str, value: str) -> Matcher:
    return Matcher(name, MatchOp.EQUAL, value)


TREE = Route(
    channels=("ops",),
    group_by=("alertname",),
    routes=(
        Route((_is("severity", "page"),), channels=("pager",), follow_on=True),
        Route(
            (_is("team", "db"),),
            channels=("db",),
            group_by=("...",),
            group_wait=timedelta(0),
            routes=(Route((_is("kind", "backup"),), repeat_interval=timedelta(days=1)),),
        ),
        Route((_is("severity", "page"),), channels=("never",)),
    ),
)


@pytest.mark.parametrize(
    ("labels", "paths"),
    [
        ({}, ["0"]),
        ({"team": "web"}, ["0"]),
        ({"team": "db"}, ["0/1"]),
        ({"team": "db", "kind": "backup"}, ["0/1/0"]),
        ({"team": "db", "severity": "page"}, ["0/0", "0/1"]),
        ({"severity": "page"}, ["0/0", "0/2"]),
    ],
)
def test_the_first_match_unless_it_goes_on(labels: dict[str, str], paths: list[str]) -> None:
    assert [d.path for d in destinations(TREE, labels)] == paths


def test_nodes_inherit() -> None:
    (backup,) = destinations(TREE, {"team": "db", "kind": "backup"})
    assert backup.channels == ("db",)
    assert backup.group_by == ("...",)
    assert backup.group_wait == timedelta(0)
    assert backup.group_interval == 5 * MINUTE
    assert backup.repeat_interval == timedelta(days=1)


def test_grouping_labels() -> None:
    labels = {"alertname": "Down", "job": "api"}
    (root,) = destinations(TREE, labels)
    assert root.group_labels(labels) == {"alertname": "Down"}
    (db,) = destinations(TREE, {**labels, "team": "db"})
    assert db.group_labels(labels) == labels


def test_a_group_waits_for_its_first_alerts() -> None:
    here = Destination("0", group_wait=MINUTE)
    assert first_flush(here, NOON, [NOON]) == NOON + MINUTE
    assert first_flush(here, NOON, [NOON, NOON - 2 * MINUTE]) == NOON
    assert next_flush(here, NOON) == NOON + here.group_interval


def _ids(text: str) -> frozenset[str]:
    return frozenset(text)


@pytest.mark.parametrize(
    ("told", "firing", "resolved", "minutes", "why"),
    [
        (None, "a", "", 0, Reason.NEW),
        (None, "", "a", 0, None),  # over before anybody heard of it
        (("a", ""), "ab", "", 1, Reason.NEW),
        (("ab", ""), "a", "b", 1, Reason.SOME_RESOLVED),
        (("ab", "b"), "a", "b", 1, None),
        (("ab", ""), "", "ab", 1, Reason.RESOLVED),
        (("", "ab"), "", "ab", 500, None),
        (("a", ""), "a", "", 239, None),
        (("a", ""), "a", "", 240, Reason.REPEAT),
        (("", "a"), "a", "", 1, Reason.NEW),  # it fires again
    ],
)
def test_worth_telling(
    told: tuple[str, str] | None, firing: str, resolved: str, minutes: int, why: Reason | None
) -> None:
    before = None if told is None else LastNotification(NOON, _ids(told[0]), _ids(told[1]))
    found = reason_to_notify(
        before,
        _ids(firing),
        _ids(resolved),
        repeat_interval=timedelta(hours=4),
        now=NOON + minutes * MINUTE,
    )
    assert found == why


def test_a_channel_that_wants_no_resolutions() -> None:
    told = LastNotification(NOON, _ids("ab"))
    for firing in ("", "a"):
        assert (
            reason_to_notify(
                told,
                _ids(firing),
                _ids("b"),
                repeat_interval=timedelta(hours=4),
                now=NOON + MINUTE,
                send_resolved=False,
            )
            is None
        )
