"""Runs a flow: a fresh browser, its proxy, one step after the other, and the end of all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from novaql.fast_dataclass import dataclass
from novaql.server.egress.dialer import Dialer
from novaql.server.probes.browser import scripts
from novaql.server.probes.browser.cdp import CommandFailed, Connection
from novaql.server.probes.browser.model import (
    FAILURE_SCREENSHOT,
    Click,
    ExpectText,
    ExpectUrl,
    Fill,
    Flow,
    Goto,
    Screenshot,
    Step,
    Wait,
)
from novaql.server.probes.browser.page import Page
from novaql.server.probes.browser.process import MAX_MEMORY, BrowserProcess
from novaql.server.probes.browser.proxy import MAX_BYTES, EgressProxy
from novaql.server.probes.browser.redaction import Redaction
from novaql.server.probes.browser.results import FlowFailed, FlowResult, StepResult

_MEMORY_CHECK_S = 0.5
_RESERVE_S = 1.0
"""The part of the timeout, or a tenth of it, in which steps no longer wait."""
_FAILURE_SCREENSHOT_S = 3.0
_START_SHARE = 0.5
"""The part of the timeout in which the browser has to start, so that steps have enough of it."""
_NOT_OF_THE_TARGET = frozenset({"timeout", "browser_crashed"})
"""Reasons that do not concern the target before the first step."""
_MAX_DETAIL = 500
_WITHOUT_SCREENSHOT = frozenset({"browser_crashed", "cancelled", "limit_exceeded"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one flow: bytes that its page transfers, and memory of the browser's processes."""

    transferred: int = MAX_BYTES
    memory: int = MAX_MEMORY


USUAL = Limits()


def run_flow(
    flow: Flow,
    *,
    dialer: Dialer,
    timeout_s: float,
    secrets: Mapping[str, str],
    cancelled: Callable[[], bool],
    limits: Limits = USUAL,
) -> FlowResult:
    """Run a flow in a new browser. Failures are in the result; none is raised.

    timeout_s  for the start of the browser and all steps. A browser that takes more than half of it
               to start is `unavailable`. After it, the screenshot of a page that hangs may take
               3 s, and the end of the browser's processes some tenths
    secrets    values that `fill` steps name; other secrets are not typed
    cancelled  called about ten times a second; the run ends soon after it returns True

    The caller's thread waits for the browser: do not call it on the event loop, or in a thread
    that ends earlier than the run, because the browser ends with the thread that started it.
    """
    return _Run(flow, dialer, timeout_s, secrets, cancelled, limits).result()


class _Run:
    """One run, and the results of its steps."""

    def __init__(
        self,
        flow: Flow,
        dialer: Dialer,
        timeout_s: float,
        secrets: Mapping[str, str],
        cancelled: Callable[[], bool],
        limits: Limits,
    ) -> None:
        self._flow = flow
        self._dialer = dialer
        self._start_end = time.monotonic() + timeout_s * _START_SHARE
        self._end = time.monotonic() + timeout_s
        self._step_end = self._end - min(_RESERVE_S, timeout_s * 0.1)
        self._secrets = {name: secrets[name] for name in flow.secret_names() if name in secrets}
        self._redacted = Redaction(self._secrets.values())
        self._cancelled = cancelled
        self._limits = limits
        self._steps: list[StepResult] = []
        self._screenshots: list[tuple[str, bytes]] = []
        self._proxy: EgressProxy | None = None
        self._browser: BrowserProcess | None = None
        self._next_memory_check = 0.0

    def result(self) -> FlowResult:
        failed: FlowFailed | None = None
        try:
            self._check_secrets()
            self._in_browser()
        except FlowFailed as problem:
            failed = problem
        except CommandFailed as problem:
            failed = FlowFailed("browser_crashed", f"the browser refuses a command: {problem}")
        denied = [] if self._proxy is None else list(self._proxy.denied)
        return FlowResult(
            success=failed is None,
            failure_reason=None if failed is None else failed.reason,
            detail=self._text("all steps succeed" if failed is None else failed.detail),
            duration_s=round(sum(step.duration_s for step in self._steps), 6),
            steps=tuple(self._steps),
            screenshots=tuple(self._screenshots),
            blocked=bool(denied) or (failed is not None and failed.reason == "blocked"),
            denied=tuple(self._text(f"{host}:{port}") for host, port in denied[:20]),
        )

    def _check_secrets(self) -> None:
        missing = sorted(self._flow.secret_names() - set(self._secrets))
        if missing:
            raise FlowFailed("secret_missing", f"there is no secret {missing[0]}")

    def _text(self, text: str) -> str:
        return self._redacted(text)[:_MAX_DETAIL].replace("\0", "\ufffd")

    def _in_browser(self) -> None:
        self._check()
        self._browser = BrowserProcess(end=self._start_end, check=self._check)
        try:
            grace = self._end + _FAILURE_SCREENSHOT_S
            self._proxy = EgressProxy(
                self._browser.listener, self._dialer, end=grace, max_bytes=self._limits.transferred
            )
            self._proxy.start()
            try:
                self._all_steps(self._browser, self._proxy)
            finally:
                self._proxy.stop()
        finally:
            self._browser.stop()

    def _check(self) -> None:
        """Raise `FlowFailed` if the run must end at once. Every wait calls it."""
        if self._cancelled():
            raise FlowFailed("cancelled", "the run was stopped")
        if self._proxy is not None and self._proxy.exceeded:
            raise FlowFailed("limit_exceeded", "the page transfers too many bytes")
        now = time.monotonic()
        if self._browser is not None and now >= self._next_memory_check:
            self._next_memory_check = now + _MEMORY_CHECK_S
            if self._browser.memory() > self._limits.memory:
                raise FlowFailed("limit_exceeded", "the browser takes too much memory")

    def _all_steps(self, browser: BrowserProcess, proxy: EgressProxy) -> None:
        connection = Connection(
            browser.reading,
            browser.writing,
            end=self._start_end,
            check=self._check,
        )
        page = Page(connection, proxy, end=self._start_end)
        try:
            page.attach()
        except (FlowFailed, CommandFailed) as problem:
            failed = _as_failure(problem)
            if failed.reason not in _NOT_OF_THE_TARGET:
                raise
            raise FlowFailed("unavailable", f"no browser: {failed.detail}") from None
        connection.end, page.step_end = self._end, self._step_end
        for number, step in enumerate(self._flow.planned(), start=1):
            started = time.monotonic()
            try:
                detail = self._step(page, step)
            except (FlowFailed, CommandFailed) as problem:
                took = time.monotonic() - started
                failed = _as_failure(problem)
                text = f"step {number} ({step.action}): {failed.detail}"
                self._steps.append(StepResult(step.action, False, round(took, 6), self._text(text)))
                self._failure_screenshot(page, connection, failed.reason)
                raise FlowFailed(failed.reason, text) from problem
            took = time.monotonic() - started
            self._steps.append(StepResult(step.action, True, round(took, 6), self._text(detail)))
        self._check()  # a page that exceeded a limit in the last step

    def _failure_screenshot(self, page: Page, connection: Connection, reason: str) -> None:
        if reason in _WITHOUT_SCREENSHOT:
            return
        page.step_end = connection.end = time.monotonic() + _FAILURE_SCREENSHOT_S
        try:
            self._screenshots.append((FAILURE_SCREENSHOT, page.screenshot(self._flow.masks())))
        except (FlowFailed, CommandFailed):
            return  # a page that hangs has no picture

    def _step(self, page: Page, step: Step) -> str:
        match step:
            case Goto():
                url = self._flow.absolute(step.url)
                status = page.goto(url)
                return f"opened {url}" + ("" if status is None else f", status {status}")
            case Click():
                page.click(step.selector)
                return f"clicked {step.selector}"
            case Fill(secret=None):
                page.fill(step.selector, step.value or "", secret=False)
                return f"filled {step.selector}"
            case Fill():
                assert step.secret is not None
                page.fill(step.selector, self._secrets[step.secret], secret=True)
                return f"filled {step.selector} with the secret {step.secret}"
            case Wait(selector=None):
                assert step.seconds is not None
                page.wait(step.seconds)
                return f"waited {step.seconds} s"
            case Wait():
                page.until(
                    lambda: page.run(scripts.IS_VISIBLE, step.selector),
                    "selector_not_found",
                    f"{step.selector} is not visible in time",
                )
                return f"{step.selector} is visible"
            case ExpectText():
                page.until(
                    lambda: page.run(scripts.HAS_TEXT, step.text, step.selector),
                    "text_not_found",
                    f"{step.selector or 'the document'} does not show {step.text!r} in time",
                )
                return f"found {step.text!r}"
            case ExpectUrl():
                page.until(
                    lambda: {"found": self._has_url(page.url, step)},
                    "url_mismatch",
                    "the URL is another one",
                )
                return f"the URL is {page.url}"
            case Screenshot():
                self._screenshots.append((step.name, page.screenshot(step.mask)))
                return f"captured {step.name}"

    def _has_url(self, url: str, step: ExpectUrl) -> bool:
        if step.contains is not None:
            return step.contains in url
        assert step.url is not None
        return url == self._flow.absolute(step.url)


def _as_failure(problem: FlowFailed | CommandFailed) -> FlowFailed:
    if isinstance(problem, FlowFailed):
        return problem
    return FlowFailed("browser_crashed", f"the browser refuses a command: {problem}")
