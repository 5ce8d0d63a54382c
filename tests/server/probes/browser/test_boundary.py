"""No page reaches an address that the egress rules deny, whatever it tries."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from novaql.server.probes.browser import FlowResult
from tests.support.servers.browser_site import INSIDE, SITE, Answer, Inside, Names, Site, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("browser")]

ATTEMPTS = {
    "image": "<img src='{http}'>",
    "style": "<link rel=stylesheet href='{http}'>",
    "script": "<script src='{http}'></script>",
    "frame": "<iframe src='{http}'></iframe>",
    "object": "<object data='{http}'></object>",
    "media": "<video src='{http}' autoplay></video>",
    "redirect of an image": "<img src='/away'>",
    "fetch": "<script>fetch('{http}', {{mode: 'no-cors'}}).catch(() => 0)</script>",
    "beacon": "<script>navigator.sendBeacon('{http}', 'x')</script>",
    "form in a frame": "<iframe name=f></iframe><form method=post target=f action='{http}'></form>"
    "<script>document.forms[0].submit()</script>",
    "WebSocket": "<script>new WebSocket('{ws}')</script>",
    "WebSocket with TLS": "<script>new WebSocket('{ws}'.replace('ws:', 'wss:'))</script>",
    "event stream": "<script>new EventSource('{http}')</script>",
    "worker": "<script>new Worker(URL.createObjectURL(new Blob([\"fetch('{http}', "
    "{{mode: 'no-cors'}}); new WebSocket('{ws}')\"])))</script>",
    "numeric host": "<img src='http://2130706433:{port}/'><img src='http://0x7f.1:{port}/'>",
    "localhost": "<img src='http://localhost:{port}/'><img src='http://a.localhost:{port}/'>",
    "IPv6": "<img src='http://[::1]:{port}/'><img src='http://[::ffff:127.0.0.1]:{port}/'>",
    "name": "<img src='http://inside.test:{port}/'>",
    "window": "<script>open('{http}')</script>",
}


def addressed(text: str, port: int) -> str:
    return text.format(http=f"http://{INSIDE}:{port}/", ws=f"ws://{INSIDE}:{port}/", port=port)


@pytest.mark.parametrize("attempt", sorted(ATTEMPTS))
def test_what_a_page_opens_on_loopback_is_blocked(site: Site, inside: Inside, attempt: str) -> None:
    away = {"Location": f"http://{INSIDE}:{inside.port}/"}
    site.pages = {
        "/": Answer("<p>Here</p>" + addressed(ATTEMPTS[attempt], inside.port)),
        "/away": Answer(status=302, headers=away),
    }

    def visited(wait_s: float) -> FlowResult:
        result = run(
            site.url(),
            {"action": "expect_text", "text": "Here"},
            {"action": "wait", "for": wait_s},
            names=Names(inside_test=[INSIDE], localhost=[INSIDE], a_localhost=[INSIDE]),
        )
        assert inside.received() == []
        assert result.success, result
        return result

    result = visited(0.5)
    if not result.blocked:  # a busy machine opens a window late
        result = visited(5)
    assert result.blocked
    assert result.denied
    assert all(entry.endswith(f":{inside.port}") for entry in result.denied)


@pytest.mark.parametrize(
    "page",
    [
        Answer(status=302, headers={"Location": "{http}"}),
        Answer("<meta http-equiv=refresh content='0; url={http}'>"),
        Answer("<script>location = '{http}'</script>"),
        Answer("<script>location = '{http}'.replace('http:', 'https:')</script>"),
        Answer("<a href='{http}'>x</a><script>document.querySelector('a').click()</script>"),
        Answer(status=302, headers={"Location": "http://mixed.test:{port}/"}),
    ],
)
def test_a_document_on_loopback_is_blocked(site: Site, inside: Inside, page: Answer) -> None:
    assert isinstance(page.body, str)
    site.pages["/"] = Answer(
        addressed(page.body, inside.port),
        page.status,
        {name: addressed(value, inside.port) for name, value in page.headers.items()},
    )

    result = run(
        site.url(),
        {"action": "expect_text", "text": "never"},
        names=Names(mixed_test=["93.184.216.34", INSIDE]),
        timeout_s=30,
    )

    assert inside.received() == []
    assert (result.failure_reason, result.blocked) == ("blocked", True), result


def test_an_open_and_a_closed_port_look_the_same(inside: Inside) -> None:
    with socket.create_server((INSIDE, 0)) as server:
        closed = server.getsockname()[1]

    details = {run(f"http://{INSIDE}:{port}/").detail for port in (inside.port, closed)}

    assert details == {f"step 1 (goto): {INSIDE} is not a public address"}
    assert inside.received() == []


STUN = """<script>
const peer = new RTCPeerConnection({iceServers: [
  {urls: 'stun:127.0.0.1:PORT'},
  {urls: 'turn:127.0.0.1:PORT?transport=udp', username: 'u', credential: 'c'},
  {urls: 'turn:127.0.0.1:PORT?transport=tcp', username: 'u', credential: 'c'}]});
peer.createDataChannel('x');
peer.createOffer().then((offer) => peer.setLocalDescription(offer));
peer.onicecandidate = (e) => document.body.append(e.candidate ? e.candidate.candidate : 'end');
</script><p>Here</p>"""


def test_webrtc_sends_no_packet(site: Site, inside: Inside) -> None:
    site.pages["/"] = Answer(STUN.replace("PORT", str(inside.port)))

    result = run(site.url(), {"action": "wait", "for": 3})

    assert result.success, result
    assert inside.received() == []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (INSIDE, inside.port))
    assert inside.received() == ["udp"]


def test_a_name_that_changes_its_answer(site: Site, inside: Inside) -> None:
    names = Names(moving_test=[[SITE], [INSIDE]])
    site.pages["/"] = Answer(f"<p>Here</p><img src='http://moving.test:{inside.port}/x'>")

    result = run(
        site.url(host="moving.test"),
        {"action": "expect_text", "text": "Here"},
        {"action": "goto", "url": "/again"},
        names=names,
    )

    assert site.paths()[0] == "/"
    assert "/again" not in site.paths()
    assert inside.received() == []
    assert result.failure_reason == "blocked"


def test_only_the_proxy_resolves_and_only_what_the_page_needs(site: Site) -> None:
    """The browser has no traffic of its own: no updates, no look-ups, no safe browsing."""
    names = Names(shop_test=[SITE])
    site.pages["/"] = Answer("<link rel=dns-prefetch href='//other.test'><p>Here</p>")

    result = run(site.url(host="shop.test"), {"action": "wait", "for": 5}, names=names)

    assert result.success, result
    assert set(names.queries) == {"shop.test"}


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "file:///proc/self/status", "chrome://version", "view-source:{site}"],
)
@pytest.mark.parametrize("way", ["link", "script", "frame"])
def test_files_and_pages_of_the_browser_are_refused(site: Site, url: str, way: str) -> None:
    target = url.replace("{site}", site.url())
    site.pages["/"] = Answer(
        {
            "link": f"<a href='{target}'>go</a>",
            "script": f"<a onclick=\"location = '{target}'\">go</a>",
            "frame": f"<a>go</a><iframe src='{target}'></iframe>",
        }[way]
    )

    result = run(
        site.url(),
        {"action": "click", "selector": "a"},
        {"action": "wait", "for": 0.5},
        {"action": "expect_url", "url": "/"},
        {"action": "expect_text", "text": "go"},
    )

    assert result.success or result.failure_reason == "blocked", result


@pytest.mark.parametrize("disposition", ["attachment", "attachment; filename=x.exe"])
def test_downloads_are_refused(site: Site, disposition: str) -> None:
    headers = {"Content-Disposition": disposition, "Content-Type": "application/octet-stream"}
    site.pages = {
        "/": Answer("<a href='/file' download>go</a>"),
        "/file": Answer(b"x" * 1000, headers=headers),
    }

    opened = run(site.url("/file"))
    clicked = run(site.url(), {"action": "click", "selector": "a"}, {"action": "wait", "for": 2})

    assert opened.failure_reason == "navigation_failed", opened
    assert clicked.failure_reason == "navigation_failed", clicked
    assert "download" in clicked.detail


def test_two_flows_share_nothing(site: Site) -> None:
    """Two at once, and one after the other: no cookie and no storage of another run."""
    site.pages["/"] = Answer(
        "<script>document.write(document.cookie + '|' + localStorage.x); document.cookie = 'a=1';"
        "localStorage.x = 1</script>",
    )
    results = []

    def one() -> None:
        results.append(
            run(
                site.url(),
                {"action": "expect_text", "text": "|undefined"},
                {"action": "wait", "for": 1},
                {"action": "goto", "url": "/"},
                {"action": "expect_text", "text": "a=1|1"},
            )
        )

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    one()

    assert [result.success for result in results] == [True] * 3, results
