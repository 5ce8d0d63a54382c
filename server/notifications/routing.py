"""The routing tree: which channels hear of an alert, in which groups, how often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from novaql.tsdb.matchers import Matcher

T = TypeVar("T")

ALL_LABELS = "..."
"""As the only entry of `group_by`: every alert is a group of its own."""

DEFAULT_GROUP_WAIT = timedelta(seconds=30)
DEFAULT_GROUP_INTERVAL = timedelta(minutes=5)
DEFAULT_REPEAT_INTERVAL = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Route:
    """A node of the tree as written; None is inherited from the node above.

    matchers      all must match; the root's are empty
    follow_on     alerts that match here are offered to the next sibling as well ("continue")
    mute_times    names of time intervals in which nothing is told
    active_times  names of time intervals outside of which nothing is told
    """

    matchers: tuple[Matcher, ...] = ()
    channels: tuple[str, ...] | None = None
    group_by: tuple[str, ...] | None = None
    group_wait: timedelta | None = None
    group_interval: timedelta | None = None
    repeat_interval: timedelta | None = None
    follow_on: bool = False
    mute_times: tuple[str, ...] = ()
    active_times: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """A node of the tree with what it inherits.

    path  places of the nodes from the root down, "0/2/1": names the node in group keys
    """

    path: str
    channels: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    group_wait: timedelta = DEFAULT_GROUP_WAIT
    group_interval: timedelta = DEFAULT_GROUP_INTERVAL
    repeat_interval: timedelta = DEFAULT_REPEAT_INTERVAL
    mute_times: tuple[str, ...] = field(default=())
    active_times: tuple[str, ...] = field(default=())

    def group_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels by which an alert is grouped here."""
        if self.group_by == (ALL_LABELS,):
            return dict(labels)
        return {name: labels[name] for name in self.group_by if name in labels}


def destinations(root: Route, labels: Mapping[str, str]) -> tuple[Destination, ...]:
    """Where an alert goes: the deepest nodes that match, the first of each level unless it says
    to go on. The root matches everything."""
    return tuple(_walk(root, labels, _below(Destination("0"), root, "0")))


def _walk(node: Route, labels: Mapping[str, str], here: Destination) -> Iterator[Destination]:
    deeper = False
    for place, child in enumerate(node.routes):
        if not all(m.matches(labels.get(m.name, "")) for m in child.matchers):
            continue
        deeper = True
        yield from _walk(child, labels, _below(here, child, f"{here.path}/{place}"))
        if not child.follow_on:
            break
    if not deeper:
        yield here


def _below(parent: Destination, node: Route, path: str) -> Destination:
    """Time intervals are not inherited: they are about one node's own notifications."""
    return Destination(
        path=path,
        channels=_or(node.channels, parent.channels),
        group_by=_or(node.group_by, parent.group_by),
        group_wait=_or(node.group_wait, parent.group_wait),
        group_interval=_or(node.group_interval, parent.group_interval),
        repeat_interval=_or(node.repeat_interval, parent.repeat_interval),
        mute_times=node.mute_times,
        active_times=node.active_times,
    )


def _or(own: T | None, inherited: T) -> T:
    return inherited if own is None else own
