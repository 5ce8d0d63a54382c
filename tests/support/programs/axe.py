"""axe-core, which finds faults of accessibility in a page."""

from __future__ import annotations

import json
from importlib.resources import files

from playwright.sync_api import Page

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
_IS_STILL = """() => document.getAnimations().every(
  one => one.playState !== "running" || one.effect.getTiming().iterations === Infinity)"""
_SERIOUS = ("serious", "critical")


def serious_findings(page: Page, within: str = "html") -> list[str]:
    """Findings of axe that are serious or critical: rule and elements. CDP runs it, because the
    content security policy of the page does not restrict CDP.

    within  selects the elements that it examines: all of a long page take it several seconds
    """
    # Colours on their way from one to another have a contrast of their own.
    page.wait_for_function(_IS_STILL)
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": _AXE})
    call = (
        f"axe.run({json.dumps(within)}, {{resultTypes: ['violations']}})"
        ".then(found => found.violations)"
    )
    answer = session.send(
        "Runtime.evaluate", {"expression": call, "awaitPromise": True, "returnByValue": True}
    )
    session.detach()
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in answer["result"]["value"]
        if one["impact"] in _SERIOUS
        for node in one["nodes"]
    ]
