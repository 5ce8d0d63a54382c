"""A provider of integrations for tests: OAuth with PKCE, the device flow, keys, pages, faults.

It checks what a real provider checks: the redirect URI, the verifier, the client, and that a
refresh token is used once. `faults` are answers that replace the next ones of a path.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

Answer = tuple[int, Any]
KEY = "key-of-the-fake-provider"


@dataclass
class FakeProvider:
    """Its resources, the requests that it received, and the answers to send.

    resources       what `/resources` lists, in pages of `page_size`
    lifetime_s      of access tokens
    device_answers  errors of the next polls; then the token
    faults          path → answers that replace the next ones
    slow_s          how long a refresh takes
    """

    url: str = ""
    resources: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 2
    lifetime_s: int | None = 3600
    interval_s: int = 5
    device_expires_s: int = 900
    device_answers: list[str] = field(default_factory=list)
    faults: dict[str, list[Answer]] = field(default_factory=dict)
    slow_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    bodies: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    access: set[str] = field(default_factory=lambda: {KEY})
    refreshable: set[str] = field(default_factory=set)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refreshes: int = 0
    replays: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, path: str, *answers: Answer) -> None:
        self.faults.setdefault(path, []).extend(answers)

    def of(self, path: str) -> list[dict[str, str]]:
        """The forms that a path has received."""
        return [form for there, form in self.bodies if there == path]

    def authorize(self, url: str, **changed: str) -> str:
        """Request an authorize URL like a browser; return the URL of the redirect."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.url, **changed}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def expire(self) -> None:
        """Reject all access tokens from now on."""
        self.access -= {token for token in self.access if token != KEY}

    def _issue(self) -> Answer:
        access, again = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
        self.access.add(access)
        self.refreshable.add(again)
        answer: dict[str, Any] = {"access_token": access, "refresh_token": again}
        if self.lifetime_s is not None:
            answer["expires_in"] = self.lifetime_s
        return 200, {**answer, "token_type": "Bearer", "scope": "read"}

    def token(self, form: dict[str, str]) -> Answer:
        match form.get("grant_type"):
            case "authorization_code":
                asked = self.codes.pop(form.get("code", ""), None)
                digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                if (
                    asked is None
                    or asked["code_challenge_method"] != "S256"
                    or asked["code_challenge"] != challenge
                    or asked["redirect_uri"] != form.get("redirect_uri")
                ):
                    return 400, {"error": "invalid_grant"}
                return self._issue()
            case "refresh_token":
                time.sleep(self.slow_s)
                with self.lock:
                    self.refreshes += 1
                    if form.get("refresh_token") not in self.refreshable:
                        self.replays += 1
                        return 400, {"error": "invalid_grant"}
                    self.refreshable.discard(form["refresh_token"])
                    return self._issue()
            case "urn:ietf:params:oauth:grant-type:device_code":
                if self.device_answers:
                    return 400, {"error": self.device_answers.pop(0)}
                return self._issue()
        return 400, {"error": "unsupported_grant_type"}

    def device(self) -> Answer:
        return 200, {
            "device_code": secrets.token_urlsafe(12),
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{self.url}/activate",
            "expires_in": self.device_expires_s,
            "interval": self.interval_s,
        }

    def page(self, cursor: str) -> Answer:
        start = int(cursor or 0)
        end = start + self.page_size
        following = str(end) if end < len(self.resources) else None
        return 200, {"resources": self.resources[start:end], "next": following}

    def answer(self, path: str, query: str, bearer: str, form: dict[str, str]) -> Answer:
        with self.lock:
            self.asked.append(path)
            self.bodies.append((path, form))
            if self.faults.get(path):
                return self.faults[path].pop(0)
        if path == "/token":
            return self.token(form)
        if path == "/device":
            return self.device()
        if bearer not in self.access:
            return 401, {"error": {"message": "bad token"}}
        if path == "/revoke":
            self.access.discard(bearer)
            return 200, {}
        if path == "/me":
            return 200, {"name": "Ada"}
        if path == "/resources":
            return self.page(dict(parse_qs(query)).get("cursor", ["0"])[0])
        return 404, {}


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """A provider on a free port of this machine."""
    fake = FakeProvider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        peer: ClassVar[FakeProvider] = fake

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            form: dict[str, str] = {}
            if "form" in self.headers.get("content-type", ""):
                form = {n: v[0] for n, v in parse_qs(body.decode()).items()}
            bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
            parsed = urlsplit(self.path)
            status, content = self.peer.answer(parsed.path, parsed.query, bearer, form)
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if status in (301, 302, 307) and isinstance(content, dict):
                self.send_header("Location", content["to"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_DELETE = _respond

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def follow(url: str) -> httpx.Response:
    """A browser's request, without any token."""
    return httpx.get(url, timeout=30)
