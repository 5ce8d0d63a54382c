"""One page of a browser: its documents, elements and images."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from novaql.fast_dataclass import dataclass
from novaql.server.probes.browser import scripts
from novaql.server.probes.browser.cdp import CommandFailed, Connection, Message
from novaql.server.probes.browser.command import SIZE
from novaql.server.probes.browser.masking import hide_closed_roots
from novaql.server.probes.browser.proxy import EgressProxy
from novaql.server.probes.browser.results import FlowFailed

_TURN_S = 0.1
_MAX_SCREENSHOT = 4 << 20
_REFUSED_ERRORS = ("ERR_BLOCKED_BY_ADMINISTRATOR", "ERR_DISALLOWED_URL_SCHEME")


@dataclass(slots=True)
class Document:
    """The newest document that the page has requested."""

    url: str
    request: str
    status: int | None = None
    error: str | None = None


class Page:
    """Drives the only page of a browser.

    step_end    when the current step times out; the caller sets it
    secrets     values that the run has typed: no screenshot shows them
    """

    def __init__(self, connection: Connection, proxy: EgressProxy, *, end: float) -> None:
        self.step_end = end
        self.secrets: set[str] = set()
        self._cdp = connection
        self._proxy = proxy
        self._document: Document | None = None
        self._loaded: set[str] = set()
        self._download = False
        self._crashed = False
        self._url = "about:blank"
        self._frame = ""

    @property
    def url(self) -> str:
        """The URL of the document, as the browser has committed it."""
        return self._url

    def attach(self) -> None:
        """Open the page."""
        self._cdp.on_event = self._on_event
        self._cdp.call("Browser.setDownloadBehavior", {"behavior": "deny", "eventsEnabled": True})
        opened = self._cdp.call("Target.createTarget", {"url": "about:blank", "newWindow": True})
        self._frame = opened["targetId"]
        attached = self._cdp.call(
            "Target.attachToTarget", {"targetId": self._frame, "flatten": True}
        )
        self._cdp.session = attached["sessionId"]
        for method, params in (
            ("Page.enable", {}),
            ("Network.enable", {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0}),
            ("Network.setBypassServiceWorker", {"bypass": True}),
            ("Page.setLifecycleEventsEnabled", {"enabled": True}),
            ("Inspector.enable", {}),
            (
                "Emulation.setDeviceMetricsOverride",
                {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False},
            ),
        ):
            self._cdp.call(method, params)
        self._cdp.call("Target.setDiscoverTargets", {"discover": True})

    def _on_event(self, message: Message) -> None:
        params: dict[str, Any] = message.get("params", {})
        match message["method"]:
            case "Network.requestWillBeSent":
                if params.get("type") == "Document" and params.get("frameId") == self._frame:
                    self._document = Document(params["request"]["url"], params["requestId"])
            case "Network.responseReceived":
                if self._is_document(params):
                    self._document_now().status = int(params["response"]["status"])
            case "Network.loadingFailed":
                if self._is_document(params) and not params.get("canceled"):
                    self._document_now().error = str(params.get("errorText", ""))
            case "Page.frameNavigated":
                frame = params["frame"]
                if frame.get("id") == self._frame:
                    self._url = frame["url"] + frame.get("urlFragment", "")
            case "Page.navigatedWithinDocument":
                if params.get("frameId") == self._frame:
                    self._url = params["url"]
            case "Page.lifecycleEvent":
                if params.get("frameId") == self._frame and params.get("name") == "load":
                    self._loaded.add(params.get("loaderId", ""))
            case "Page.javascriptDialogOpening":
                leaves = params.get("type") == "beforeunload"
                self._cdp.post("Page.handleJavaScriptDialog", {"accept": leaves})
            case "Browser.downloadWillBegin":
                self._download = True
            case "Target.targetCreated":
                target = params["targetInfo"]
                if target["type"] == "page" and target["targetId"] != self._frame:
                    self._cdp.post("Target.closeTarget", {"targetId": target["targetId"]})
            case "Inspector.targetCrashed":
                self._crashed = True
            case "Target.targetCrashed":
                self._crashed = self._crashed or params.get("targetId") == self._frame

    def _is_document(self, params: dict[str, Any]) -> bool:
        return self._document is not None and params.get("requestId") == self._document.request

    def _document_now(self) -> Document:
        assert self._document is not None
        return self._document

    def _turn(self, waiting_for: str, reason: str = "timeout") -> None:
        """Handle events for a moment. Raises `FlowFailed` if the document has failed, or with a
        reason when the time of the step is over."""
        self._cdp.pump(_TURN_S)
        self._check_document()
        if time.monotonic() >= self.step_end:
            raise FlowFailed(reason, waiting_for)

    def _check_document(self) -> None:
        if self._crashed:
            raise FlowFailed("browser_crashed", "the process of the page has ended")
        if self._download:
            self._download = False
            raise FlowFailed("navigation_failed", "the page starts a download, which is refused")
        document = self._document
        if document is None or (document.error is None and document.status not in (403, 502)):
            return
        self._raise_for(document.url, document.error or "")

    def _raise_for(self, url: str, error: str) -> None:
        """Raise `FlowFailed` for a document that the proxy refused, or an error of the browser."""
        parsed = urlsplit(url)
        if parsed.scheme not in ("http", "https") or any(e in error for e in _REFUSED_ERRORS):
            raise FlowFailed("blocked", f"{parsed.scheme}: URLs and their like are refused")
        place = (parsed.hostname or "", parsed.port or (443 if parsed.scheme == "https" else 80))
        if place in self._proxy.denied:
            raise FlowFailed("blocked", f"{place[0]} is not a public address")
        if (reason := self._proxy.unreachable.get(place)) is not None:
            raise FlowFailed("navigation_failed", f"{place[0]} cannot be reached: {reason}")
        if not error or "ERR_ABORTED" in error:
            return
        if "ERR_CERT" in error or "ERR_SSL" in error:
            raise FlowFailed("tls", f"{place[0]} has no valid TLS: {error}")
        if "TIMED_OUT" in error:
            raise FlowFailed("timeout", f"{place[0]} does not answer in time")
        raise FlowFailed("navigation_failed", f"{place[0]} cannot be opened: {error}")

    def goto(self, url: str) -> int | None:
        """Open a URL and wait until it has loaded. Returns the status of the document."""
        self._document = None
        try:
            answer = self._cdp.call("Page.navigate", {"url": url})
        except FlowFailed as problem:
            if problem.reason != "timeout":
                raise
            host = urlsplit(url).hostname
            raise FlowFailed("timeout", f"{host} does not answer in time") from None
        self._cdp.pump(0)
        self._download = self._download or bool(answer.get("isDownload"))
        self._check_document()
        document = self._newest()
        if error := str(answer.get("errorText", "")):
            self._raise_for(url if document is None else document.url, error)
            raise FlowFailed("navigation_failed", f"the document cannot be opened: {error}")
        loader = answer.get("loaderId")
        while loader is not None and loader not in self._loaded:
            document = self._newest()
            if document is not None and document.request != loader:
                break  # the page has gone on to another document
            self._turn("the document has not loaded in time")
        document = self._newest()
        status = None if document is None else document.status
        if status is not None and status >= 400:
            raise FlowFailed("http_error", f"the status of the document is {status}")
        return status

    def _newest(self) -> Document | None:
        return self._document

    def run(self, function: str, *arguments: Any) -> Any:
        """Run a function in the page, in a world of its own. None: there is no document now."""
        try:
            answer = self._cdp.call(
                "Runtime.callFunctionOn",
                {
                    "functionDeclaration": function,
                    "executionContextId": self._world(),
                    "arguments": [{"value": argument} for argument in arguments],
                    "returnByValue": True,
                },
            )
        except CommandFailed:
            return None
        if "exceptionDetails" in answer:
            return None
        return answer["result"].get("value")

    def _world(self) -> int:
        """Return the context of the driver's scripts in the current document."""
        made = self._cdp.call(
            "Page.createIsolatedWorld", {"frameId": self._frame, "worldName": "novaql"}
        )
        return int(made["executionContextId"])

    def until(
        self, attempt: Callable[[], dict[str, Any] | None], reason: str, missing: str
    ) -> dict[str, Any]:
        """Repeat an attempt until it has `found`. Raises `FlowFailed` with a reason at the end."""
        while True:
            found = attempt() or {}
            if found.get("found"):
                return found
            if found.get("invalid"):
                raise FlowFailed("selector_not_found", "this is not a CSS selector")
            if found.get("unfit"):
                raise FlowFailed("selector_not_found", "the element is not a field")
            self._turn(missing, reason)

    def click(self, selector: str) -> None:
        """Click the middle of an element, when no other element covers it."""
        found = self.until(
            lambda: self.run(scripts.CLICKABLE, selector),
            "selector_not_found",
            "no element of this selector can be clicked",
        )
        at = {"x": found["x"], "y": found["y"], "button": "left", "clickCount": 1}
        self._cdp.call("Input.dispatchMouseEvent", {**at, "type": "mouseMoved", "button": "none"})
        self._cdp.call("Input.dispatchMouseEvent", {**at, "type": "mousePressed"})
        self._cdp.post("Input.dispatchMouseEvent", {**at, "type": "mouseReleased"})
        self._cdp.pump(_TURN_S)
        self._check_document()

    def fill(self, selector: str, value: str, *, secret: bool) -> None:
        """Replace the value of a field, as typing does."""
        if secret and value:
            self.secrets.add(value)
        found = self.until(
            lambda: self.run(scripts.FOCUS_FIELD, selector, value),
            "selector_not_found",
            "no field of this selector is visible and enabled",
        )
        if found.get("done"):
            return
        if value:
            self._cdp.call("Input.insertText", {"text": value})
        else:
            key = {"key": "Delete", "code": "Delete", "windowsVirtualKeyCode": 46}
            self._cdp.call("Input.dispatchKeyEvent", {"type": "keyDown", **key})
            self._cdp.call("Input.dispatchKeyEvent", {"type": "keyUp", **key})

    def wait(self, seconds: float) -> None:
        """Wait for a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._turn("the time of the flow ends before the wait does")

    def screenshot(self, masks: Sequence[str]) -> bytes:
        """Return the visible part of the page as PNG, without secrets and masked elements."""
        self.until(
            lambda: self.run(scripts.MASK, list(masks), sorted(self.secrets)),
            "timeout",
            "the page cannot be masked, so there is no screenshot",
        )
        try:
            if self.secrets:
                hide_closed_roots(self._cdp, self._world())
            answer = self._cdp.call("Page.captureScreenshot", {"format": "png"})
            image = base64.b64decode(answer["data"])
        except CommandFailed as problem:
            raise FlowFailed("timeout", "the page cannot be captured") from problem
        finally:
            with suppress(FlowFailed):
                self.run(scripts.UNMASK)
        if len(image) > _MAX_SCREENSHOT:
            raise FlowFailed("limit_exceeded", "the screenshot has more than 4 MiB")
        return image
