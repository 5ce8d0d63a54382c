"""Discover target groups: watch files, and poll servers."""

from __future__ import annotations

import asyncio
import glob
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from novaql.rules import read_yaml
from novaql.server.scraping.fetch import Fetcher, FetchProblem
from novaql.server.scraping.model import FileDiscovery, HttpDiscovery, TargetGroup

log = logging.getLogger("novaql.scraping")

WATCH_S = 0.5
"""Interval between two checks of files for changes."""

_HTTP_TIMEOUT_S = 30.0
MOST_ADDRESSES = 100_000
"""Limit for the addresses of one discovery, before relabelling."""

MOST_BYTES = 32 << 20
"""Size limit of a file or an answer with target groups."""

Found = Callable[[list[TargetGroup]], None]
"""Receives all groups of a discovery after each possible change."""


class BadGroups(ValueError):
    """A list of target groups is invalid."""


def groups_of(
    found: Any, meta: tuple[str, str], *, most: int = MOST_ADDRESSES
) -> list[TargetGroup]:
    """Convert decoded JSON or YAML to target groups. Raises `BadGroups`.

    meta  name and value of a label with the source of the groups
    """
    if found is None:
        return []
    if not isinstance(found, list):
        raise BadGroups("a list of target groups is needed")
    groups, addresses = [], 0
    for number, item in enumerate(found):
        if not isinstance(item, dict):
            raise BadGroups(f"group {number} is no object")
        targets, labels = item.get("targets") or [], item.get("labels") or {}
        if not isinstance(targets, list) or not all(isinstance(t, str) for t in targets):
            raise BadGroups(f"group {number}: targets must be a list of texts")
        addresses += len(targets)
        if addresses > most:
            raise BadGroups(f"more than {most} targets")
        if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
            raise BadGroups(f"group {number}: labels must be texts")
        if unknown := set(item) - {"targets", "labels"}:
            raise BadGroups(f"group {number}: there is no field {sorted(unknown)[0]!r}")
        groups.append(TargetGroup(targets=tuple(targets), labels={**labels, meta[0]: meta[1]}))
    return groups


class FileWatch:
    """The files of one discovery. While a file cannot be read, is invalid or has more than
    `most_bytes`, its last groups remain."""

    def __init__(self, settings: FileDiscovery, *, most_bytes: int = MOST_BYTES) -> None:
        self._settings = settings
        self._most_bytes = most_bytes
        self._read: dict[str, tuple[object, list[TargetGroup]]] = {}

    def groups(self) -> list[TargetGroup] | None:
        """All groups; None if no file has changed since the last call."""
        paths = sorted({p for pattern in self._settings.files for p in glob.glob(pattern)})
        before = self._read
        changed = paths != sorted(before)
        self._read = {}
        for path in paths:
            old = before.get(path)
            state = file_state(path)
            if old is not None and old[0] == state:
                self._read[path] = old
                continue
            try:
                groups = _groups_in(path, self._most_bytes)
                changed = True
            except (OSError, ValueError) as problem:
                log.warning("target file %s: %s", path, problem)
                groups = [] if old is None else old[1]
            self._read[path] = (state, groups)
        if not changed:
            return None
        return [group for _, groups in self._read.values() for group in groups]


def file_state(path: str | Path) -> tuple[int, int, int] | None:
    """A value that changes with the file; None: the file does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _groups_in(path: str, most_bytes: int) -> list[TargetGroup]:
    with open(path, "rb") as file:
        text = file.read(most_bytes + 1)
    if len(text) > most_bytes:
        raise BadGroups(f"larger than {most_bytes >> 20} MiB")
    found = orjson.loads(text) if path.endswith(".json") else read_yaml(text.decode())
    return groups_of(found, ("__meta_filepath", path))


async def watch_files(settings: FileDiscovery, found: Found) -> None:
    """Pass the groups to `found` at once, and after each change of a file. Never returns."""
    watch = FileWatch(settings)
    while True:
        groups = await asyncio.to_thread(watch.groups)
        if groups is not None:
            found(groups)
        await asyncio.sleep(min(WATCH_S, settings.refresh_interval))


async def query_server(settings: HttpDiscovery, found: Found) -> None:
    """Pass the groups to `found` at once, and after each interval. After a failed request, the last
    groups remain. Never returns."""
    fetcher = Fetcher(settings)
    try:
        while True:
            try:
                found(await _fetched_groups(settings, fetcher))
            except (FetchProblem, BadGroups) as problem:
                log.warning("target groups of %s: %s", settings.url, problem)
            await asyncio.sleep(settings.refresh_interval)
    finally:
        await fetcher.close()


async def _fetched_groups(settings: HttpDiscovery, fetcher: Fetcher) -> list[TargetGroup]:
    headers = {
        "Accept": "application/json",
        "X-Prometheus-Refresh-Interval-Seconds": f"{settings.refresh_interval:g}",
    }
    answer = await fetcher.get(settings.url, _HTTP_TIMEOUT_S, headers, most_bytes=MOST_BYTES)
    if answer.content_type.partition(";")[0].strip().lower() != "application/json":
        raise BadGroups(f"the answer's Content-Type is {answer.content_type!r}")
    try:
        groups = orjson.loads(answer.body)
    except orjson.JSONDecodeError as problem:
        raise BadGroups(str(problem)) from problem
    return groups_of(groups, ("__meta_url", settings.url))
