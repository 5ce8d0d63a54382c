"""A client of the Chrome DevTools Protocol over two pipes: JSON messages that end with NUL.

One thread calls and waits; it passes events to a function when it reads them. Each wait ends at
the deadline of the run, and calls `check` ten times a second, which raises to end the run.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from io import FileIO
from typing import Any

from novaql.server.probes.browser.process import readable
from novaql.server.probes.browser.results import FlowFailed

_MAX_MESSAGE = 32 << 20
_TURN_S = 0.1
_LATE_S = 1.0

Message = dict[str, Any]


class CommandFailed(Exception):
    """The browser answers a command with an error."""


class Connection:
    """A connection to a browser.

    end       when all waits end; the caller may move it
    session   the page that commands go to; None: the browser itself
    on_event  receives each event; it must not wait for an answer, but may `post`
    """

    def __init__(
        self, reading: FileIO, writing: FileIO, *, end: float, check: Callable[[], None]
    ) -> None:
        self.session: str | None = None
        self.on_event: Callable[[Message], None] = lambda _: None
        self._reading, self._writing = reading.fileno(), writing.fileno()
        os.set_blocking(self._writing, False)
        self.end = end
        self._check = check
        self._data = bytearray()
        self._messages: deque[bytes] = deque()
        self._last = 0

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Message:
        """Send a command and return its result. Raises `CommandFailed` or `FlowFailed`."""
        number = self.post(method, params)
        while True:
            message = self._read(self.end)
            if message is None:
                raise FlowFailed("timeout", f"the browser does not answer {method} in time")
            if message.get("id") == number:
                if "error" in message:
                    raise CommandFailed(str(message["error"].get("message", "")))
                result: Message = message.get("result", {})
                return result
            self._dispatch(message)

    def post(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a command without waiting for its answer. Returns its number."""
        self._last += 1
        message: Message = {"id": self._last, "method": method, "params": dict(params or {})}
        if self.session is not None and not method.startswith(("Browser.", "Target.")):
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            try:
                data = data[os.write(self._writing, data) :]
            except BlockingIOError:
                if time.monotonic() > self.end:
                    raise FlowFailed("timeout", "the browser does not read commands") from None
                time.sleep(0.01)
            except OSError:
                raise FlowFailed("browser_crashed", "the browser has ended") from None
        return self._last

    def pump(self, seconds: float) -> None:
        """Handle events for a time, at most until the deadline."""
        until = min(time.monotonic() + seconds, self.end)
        while (message := self._read(until)) is not None:
            self._dispatch(message)

    def _dispatch(self, message: Message) -> None:
        if "method" in message:
            self.on_event(message)

    def _read(self, until: float) -> Message | None:
        """Return the next message, or None at the time `until`. Messages that have arrived are
        returned for another second, so that a page with many events does not delay the end."""
        while True:
            self._check()
            left = until - time.monotonic()
            if self._messages and left > -_LATE_S:
                message: Message = json.loads(self._messages.popleft())
                return message
            if left <= 0:
                return None
            if not readable(self._reading, min(_TURN_S, left)):
                continue
            block = os.read(self._reading, 1 << 20)
            if not block:
                raise FlowFailed("browser_crashed", "the browser has ended")
            self._data += block
            if b"\0" in block:
                *whole, rest = bytes(self._data).split(b"\0")
                self._messages.extend(whole)
                self._data = bytearray(rest)
            if len(self._data) > _MAX_MESSAGE:
                raise FlowFailed("limit_exceeded", "the page sends too large messages")
