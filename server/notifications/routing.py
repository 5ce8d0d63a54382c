"""The routing tree: it selects the channels of an alert, its groups, and their timing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import timedelta
from typing import TypeVar

from novaql.fast_dataclass import dataclass
from novaql.server.alert_model.matcher_text import all_match
from novaql.tsdb import Matcher

T = TypeVar("T")

ALL_LABELS = "..."
"""As the only entry of `group_by`, it makes each alert its own group."""

DEFAULT_GROUP_WAIT = timedelta(seconds=30)
DEFAULT_GROUP_INTERVAL = timedelta(minutes=5)
DEFAULT_REPEAT_INTERVAL = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Route:
    """A node of the tree as written. It inherits fields that are None from its parent.

    matchers      all must match; the root has none
    follow_on     an alert that matches here is also matched against the next sibling ("continue")
    mute_times    names of time intervals in which the node sends nothing
    active_times  names of time intervals outside of which the node sends nothing
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
    """A node of the tree with inherited fields.

    path  indexes of the nodes from the root down, "0/2/1"; part of group keys
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
        """The labels that group an alert here."""
        if self.group_by == (ALL_LABELS,):
            return dict(labels)
        return {name: labels[name] for name in self.group_by if name in labels}


def destinations(root: Route, labels: Mapping[str, str]) -> tuple[Destination, ...]:
    """The destinations of an alert: the deepest nodes that match it.

    Each level contributes the first node that matches, and further ones while `follow_on` is set.
    The root matches every alert.
    """
    return tuple(_walk(root, labels, _below(Destination("0"), root, "0")))


def _walk(node: Route, labels: Mapping[str, str], here: Destination) -> Iterator[Destination]:
    deeper = False
    for place, child in enumerate(node.routes):
        if not all_match(child.matchers, labels):
            continue
        deeper = True
        yield from _walk(child, labels, _below(here, child, f"{here.path}/{place}"))
        if not child.follow_on:
            break
    if not deeper:
        yield here


def _below(parent: Destination, node: Route, path: str) -> Destination:
    """A node with its inherited fields. Time intervals are not inherited: each node has its own."""
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
