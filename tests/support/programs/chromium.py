"""Debian's Chromium, headless."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium(profile: Path) -> Iterator[BrowserContext]:
    """A browser with a new profile in a folder. Skips without one."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium in PATH; install Debian's package `chromium`")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            headless=False,  # the arguments request the new headless mode
            args=ARGUMENTS,
            viewport={"width": 1280, "height": 860},
            timezone_id="UTC",
            locale="en-US",
        )
        yield context
        context.close()
