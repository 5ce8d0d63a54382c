"""A client of streams of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Events:
    """An open stream: its events, one after another, and the comments that came meanwhile."""

    answer: httpx.Response
    comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines = self.answer.iter_lines()

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Number and data of each event, until the server ends the stream."""
        number = None
        for line in self._lines:
            name, _, text = line.partition(":")
            if line.startswith(":"):
                self.comments.append(text.strip())
            elif name == "id":
                number = int(text)
            elif name == "data":
                assert number is not None
                yield number, json.loads(text)

    def take(self, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The next events."""
        return [event for _, event in zip(range(count), self, strict=False)]

    def next_comment(self) -> str:
        """The next comment; no event comes before it."""
        for line in self._lines:
            assert not line.startswith("data"), line
            if line.startswith(":"):
                return line.removeprefix(":").strip()
        raise AssertionError("the stream ended")


@contextmanager
def open_stream(
    client: httpx.Client, url: str, headers: Mapping[str, str], after: int | None = None
) -> Iterator[Events]:
    """A stream, resumed after an event."""
    asked = {**headers, "Accept": "text/event-stream"}
    if after is not None:
        asked["Last-Event-ID"] = str(after)
    with client.stream("GET", url, headers=asked, timeout=30) as answer:
        if answer.status_code != 200:
            answer.read()
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Events(answer)
