"""Secrets of a run are typed, and are in no text and no image of its result."""

from __future__ import annotations

import pytest

from novaql.server.probes.browser import FlowResult
from novaql.server.probes.browser.redaction import Redaction
from tests.support.servers.browser_site import Answer, Site, run

SECRET = "tiger & <moon>"

SHOWS = """<h1>Sign in</h1><form method=get action=/in><input name=key><input name=other value=x>
<button>go</button></form><p id=copy></p><div id=host></div><div id=mine>not for pictures</div>
<script>
const root = document.querySelector('#host').attachShadow({mode: 'closed'});
document.querySelector('[name=key]').oninput = (e) => {
  document.querySelector('#copy').textContent = 'You typed ' + e.target.value;
  root.innerHTML = '<b></b>';
  root.querySelector('b').textContent = e.target.value;
};
</script>"""


def texts(result: FlowResult) -> str:
    parts = [result.detail, *result.denied, *(step.detail for step in result.steps)]
    return "\n".join([*parts, *(name for name, _ in result.screenshots)])


def captured(site: Site, secret: str, *, as_secret: bool) -> FlowResult:
    source = {"secret": "key"} if as_secret else {"value": secret}
    return run(
        site.url(),
        {"action": "fill", "selector": "[name=key]", **source},
        {"action": "click", "selector": "h1"},
        {"action": "screenshot", "name": "filled", "mask": ["#mine"]},
        {"action": "click", "selector": "button"},
        {"action": "expect_text", "text": "Thanks"},
        {"action": "expect_url", "contains": "key="},
        {"action": "expect_url", "url": "/elsewhere"},
        secrets={"key": secret},
        timeout_s=30,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_secret_is_in_no_part_of_a_result(site: Site) -> None:
    site.pages = {"/": Answer(SHOWS), "/in": Answer("<p>Thanks</p>")}

    result = captured(site, SECRET, as_secret=True)

    assert result.failure_reason == "url_mismatch"
    assert "tiger" not in texts(result)
    assert "moon" not in texts(result)
    assert "key=***" in result.steps[6].detail
    assert "/in?key=tiger" in site.paths()[-1]


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_pictures_with_different_secrets_are_the_same(site: Site) -> None:
    """Every place that shows the secret is invisible, so no pixel depends on its letters."""
    site.pages = {"/": Answer(SHOWS), "/in": Answer("<p>Thanks</p>")}

    pictures = [
        dict(captured(site, value, as_secret=secret).screenshots)["filled"]
        for value, secret in (("aWWa", True), ("bMMb", True), ("aWWa", False), ("bMMb", False))
    ]

    assert pictures[0] == pictures[1]
    assert pictures[2] != pictures[3]


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_masked_elements_and_passwords_are_invisible(site: Site) -> None:
    def picture(secret: str) -> bytes:
        site.pages["/"] = Answer(
            f"<input type=password value='{'x' * len(secret)}'>"
            f"<div class=private style='width: 300px; height: 30px; transition: all 9s'>{secret}"
            f"</div><dialog class=private>{secret}</dialog>"
            "<script>document.querySelector('dialog').showModal()</script>"
            "<style>dialog { width: 99px; height: 99px; overflow: hidden }</style>"
        )
        result = run(site.url(), {"action": "screenshot", "name": "a", "mask": [".private"]})
        return dict(result.screenshots)["a"]

    assert picture("one") == picture("another")


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_mask_that_is_not_a_selector_leaves_no_picture(site: Site) -> None:
    site.pages["/"] = Answer("<p>private</p>")

    result = run(site.url(), {"action": "screenshot", "name": "a", "mask": ["p["]})

    assert result.failure_reason == "selector_not_found"
    assert result.screenshots == ()


def test_redaction_knows_encodings() -> None:
    redacted = Redaction([SECRET, "ab"])

    assert redacted("a tiger & <moon> b") == "a *** b"
    assert redacted("?k=tiger+%26+%3Cmoon%3E&x=ab") == "?k=***&x=ab"
    assert redacted("?k=tiger%20%26%20%3Cmoon%3E") == "?k=***"
    assert redacted("<p>tiger &amp; &lt;moon&gt;</p>") == "<p>***</p>"
