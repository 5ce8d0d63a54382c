"""The people and programs of the story: each is a client of the API with its own token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from novaql.server.clock import rfc3339
from novaql.server.demo.story.recording import Exchange, Recording


class StoryFailed(Exception):
    """An answer, or what follows from it, is not what the story expects."""


class Person:
    """Someone who uses the API: a user, or an agent with a token of its owner."""

    def __init__(
        self,
        name: str,
        token: str,
        client: httpx.Client,
        recording: Recording,
        now: Callable[[], datetime],
    ) -> None:
        self.name = name
        self.token = token
        self._client = client
        self._recording = recording
        self._now = now
        recording.secrets.add(token)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """Send a POST that the recording shows, and return the answer."""
        return self._send("POST", path, body, headers, shown=True)

    def get(self, path: str, *, shown: bool = False, **headers: str) -> Any:
        """Return the answer to a GET."""
        return self._send("GET", path, None, headers, shown=shown)

    def all(self, path: str) -> list[dict[str, Any]]:
        """Return all pages of a list."""
        found, sign = [], "&" if "?" in path else "?"
        page = self.get(f"{path}{sign}limit=200")
        found += page["data"]
        while "next_cursor" in page:
            page = self.get(f"{path}{sign}limit=200&cursor={page['next_cursor']}")
            found += page["data"]
        return found

    def text(self, path: str, **headers: str) -> str:
        """Return the answer to a GET as text."""
        return self._answer("GET", path, None, headers).text

    def ingest(self, samples: str) -> None:
        """Write samples in Prometheus's text format."""
        if samples:
            kind = {"Content-Type": "text/plain"}
            self._answer("POST", "/v1/ingest", samples, kind)

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str], *, shown: bool
    ) -> Any:
        answer = self._answer(method, path, body, headers)
        if shown:
            at = rfc3339(self._now())
            self._recording.add(Exchange(at, self.name, method, path, body, answer.status_code))
        return answer.json()

    def _answer(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        if isinstance(body, str):
            answer = self._client.request(method, path, content=body.encode(), headers=sent)
        else:
            answer = self._client.request(method, path, json=body, headers=sent)
        if not answer.is_success:
            raise StoryFailed(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer
