"""What flows do at a site: the steps, and the reasons of failures."""

from __future__ import annotations

import datetime
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from novaql.server.probes.browser import FlowResult
from novaql.server.probes.browser.flow import Limits
from tests.support.servers import browser_site
from tests.support.servers.browser_site import SITE, Answer, Names, Request, Site, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("browser")]

LOGIN = """<title>Shop</title><h1>Log in</h1><form method="post" action="/session">
<label>Name <input name="user"></label><label>Password <input name="password" type="password">
</label><select name="tenant"><option value="a">Alpha</option><option value="b">Beta</option>
</select><button>Log in</button></form>"""


def answer_login(request: Request) -> Answer:
    if request.body == "user=bob&password=hunter2-and-more&tenant=b":
        return Answer(
            status=303, headers={"Location": "/account", "Set-Cookie": "session=1; HttpOnly"}
        )
    return Answer(f"<p>Wrong: {request.body}</p>", 401)


def answer_account(request: Request) -> Answer:
    known = "session=1" in request.headers.get("Cookie", "")
    later = "<script>setTimeout(() => document.body.append(' 3 orders'), 300)</script>"
    return Answer(f"<p>Welcome Bob</p>{later}" if known else "<p>Who are you?</p>")


def test_a_login(site: Site) -> None:
    site.pages = {
        "/login": Answer(LOGIN),
        "/session": answer_login,
        "/account": answer_account,
    }

    result = run(
        site.url("/login"),
        {"action": "wait", "selector": "form"},
        {"action": "fill", "selector": "[name=user]", "value": "bob"},
        {"action": "fill", "selector": "[name=password]", "secret": "shop_password"},
        {"action": "fill", "selector": "select", "value": "Beta"},
        {"action": "click", "selector": "button"},
        {"action": "expect_url", "url": "/account"},
        {"action": "expect_url", "contains": "/acc"},
        {"action": "expect_text", "text": "Welcome Bob", "selector": "p"},
        {"action": "expect_text", "text": "3 orders"},
        {"action": "wait", "for": 0.2},
        {"action": "screenshot", "name": "account"},
        secrets={"shop_password": "hunter2-and-more"},
    )

    assert (result.success, result.failure_reason, result.blocked) == (True, None, False), result
    assert [step.action for step in result.steps][:3] == ["goto", "wait", "fill"]
    assert all(step.success for step in result.steps)
    assert len(result.steps) == 12
    assert 0.2 < result.duration_s < 20
    ((name, image),) = result.screenshots
    assert name == "account"
    assert image.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(image[16:20], "big") == 1280


def test_fill_replaces_and_empties(site: Site) -> None:
    site.pages["/"] = Answer(
        "<input id=a value=before><input id=b value=before><p></p><script>"
        "oninput = () => document.querySelector('p').textContent = `[${a.value}|${b.value}]`"
        "</script>"
    )

    result = run(
        site.url(),
        {"action": "fill", "selector": "#a", "value": "after"},
        {"action": "fill", "selector": "#b", "value": ""},
        {"action": "expect_text", "text": "[after|]", "selector": "p"},
    )

    assert result.success, result


def failed(result: FlowResult) -> str | None:
    assert not result.success
    assert not result.steps[-1].success
    assert result.detail.startswith(f"step {len(result.steps)} ({result.steps[-1].action}): ")
    return result.failure_reason


PAGE = "<p>Good day</p><button disabled id=off>x</button><i style='display:none' id=no>n</i>"


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"action": "click", "selector": "#none"}, "selector_not_found"),
        ({"action": "click", "selector": "#off"}, "selector_not_found"),
        ({"action": "wait", "selector": "#no"}, "selector_not_found"),
        ({"action": "wait", "selector": "p["}, "selector_not_found"),
        ({"action": "fill", "selector": "p", "value": "x"}, "selector_not_found"),
        ({"action": "expect_text", "text": "Good night"}, "text_not_found"),
        ({"action": "expect_url", "url": "/other"}, "url_mismatch"),
        ({"action": "goto", "url": "/missing"}, "http_error"),
        ({"action": "goto", "url": "http://unknown.test/"}, "navigation_failed"),
        ({"action": "goto", "url": f"http://{SITE}:9999/"}, "navigation_failed"),
        ({"action": "wait", "for": 60}, "timeout"),
    ],
)
def test_a_step_that_fails_has_a_reason(site: Site, step: dict[str, object], reason: str) -> None:
    site.pages["/"] = Answer(PAGE)

    started = time.monotonic()
    result = run(site.url(), {"action": "goto", "url": "/"}, step, timeout_s=30)

    assert failed(result) == reason, result
    assert time.monotonic() - started < 45
    assert len(result.steps) == 2
    assert [name for name, _ in result.screenshots] == ["failure"]
    assert not result.blocked


@pytest.mark.parametrize("page", [Answer("late", delay_s=50), Answer("<img src=/late>")])
def test_a_page_that_does_not_load_ends_in_time(site: Site, page: Answer) -> None:
    site.pages = {"/": page, "/late": Answer("late", delay_s=50)}

    started = time.monotonic()
    result = run(site.url(), timeout_s=30)

    assert failed(result) == "timeout"
    assert time.monotonic() - started < 45


def test_a_page_that_computes_for_ever_ends_in_time(site: Site) -> None:
    site.pages["/"] = Answer("<p>x</p><script>onload = () => setTimeout(() => {for(;;);})</script>")

    started = time.monotonic()
    result = run(site.url(), {"action": "expect_text", "text": "y"}, timeout_s=20)

    assert failed(result) in ("timeout", "text_not_found")
    assert time.monotonic() - started < 35


def certificate(folder: Path) -> ssl.SSLContext:
    """A certificate that no authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "both.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    with browser_site.site(certificate(tmp_path)) as site:
        result = run(f"https://shop.test:{site.port}/", names=Names(shop_test=[SITE]))

    assert failed(result) == "tls", result
    assert "ERR_CERT_AUTHORITY_INVALID" in result.detail


def test_a_redirect_without_an_end(site: Site) -> None:
    site.pages["/"] = Answer(status=302, headers={"Location": "/"})

    result = run(site.url())

    assert failed(result) == "navigation_failed"
    assert "TOO_MANY_REDIRECTS" in result.detail


def test_a_run_can_be_cancelled(site: Site) -> None:
    site.pages["/"] = Answer("x")
    result = run(
        site.url(),
        {"action": "wait", "for": 50},
        cancelled=lambda: bool(site.requests),
    )

    assert failed(result) == "cancelled"
    assert result.duration_s < 20


def test_a_secret_that_is_missing(site: Site) -> None:
    result = run(site.url(), {"action": "fill", "selector": "p", "secret": "absent"})

    assert result.failure_reason == "secret_missing"
    assert site.requests == []


def test_a_page_may_not_transfer_without_end(site: Site) -> None:
    # An image would not do: the browser stops loading one that it cannot decode.
    page = "<script>fetch('/large').then(answer => answer.text())</script>"
    site.pages = {"/": Answer(page), "/large": Answer(b"x" * (4 << 20))}

    result = run(site.url(), {"action": "wait", "for": 10}, limits=Limits(transferred=1 << 20))

    assert failed(result) == "limit_exceeded"


def test_a_page_may_not_take_all_memory(site: Site) -> None:
    site.pages["/"] = Answer(
        "<script>const held = []; setInterval(() => held.push(new Uint8Array(5e7).fill(1)), 50)"
        "</script>"
    )

    limits = Limits(memory=600 << 20)
    result = run(site.url(), {"action": "wait", "for": 60}, timeout_s=80, limits=limits)

    assert failed(result) in ("limit_exceeded", "browser_crashed")
    assert result.steps[-1].duration_s < 50


def test_dialogs_and_windows_do_not_stop_a_flow(site: Site) -> None:
    site.pages["/"] = Answer(
        "<button>x</button><script>document.querySelector('button').onclick = () => {"
        "alert(1); window.open('/other'); document.body.append('done')}</script>"
    )
    site.pages["/other"] = Answer("other")

    result = run(
        site.url(),
        {"action": "click", "selector": "button"},
        {"action": "expect_text", "text": "done"},
    )

    assert result.success, result
