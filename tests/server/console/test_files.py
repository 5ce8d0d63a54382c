"""What the server sends for the page: no token needed, nothing from elsewhere, safe headers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from novaql.server.console import read_static
from tests.support.servers.http_server import LocalServer, local_server

ASSET = re.compile(r'(?:href|src)="(/console/[^"]+)"')


@pytest.mark.slow
def test_the_page_and_all_it_names_come_without_a_token(demo: LocalServer) -> None:
    page = demo.client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assets = ASSET.findall(page.text)
    assert len(assets) >= 6
    for path in assets:
        answer = demo.client.get(path)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.slow
def test_scripts_and_styles_from_elsewhere_or_inline_are_forbidden(demo: LocalServer) -> None:
    page = demo.client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=\"|style=", page.text)


def test_the_page_is_revalidated_by_its_etag(demo: LocalServer) -> None:
    page = demo.client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    again = demo.client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize(
    "path", ["/console/0/js/main.js", "/console/0/../../app.py", "/console/x/index.html"]
)
def test_other_versions_and_paths_outside_are_the_api_s_404(demo: LocalServer, path: str) -> None:
    answer = demo.client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"]


def test_another_byte_is_another_version(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    _, first = read_static(tmp_path)
    (tmp_path / "a.js").write_text("2")
    files, second = read_static(tmp_path)
    assert first != second
    assert files["a.js"].media_type.startswith("text/javascript")


def test_nothing_is_fetched_from_another_host(static: Path) -> None:
    for path in [*static.rglob("*.js"), *static.rglob("*.css"), static / "index.html"]:
        if "vendor" in path.parts:
            continue
        hosts = re.findall(r"https?://(?!www\.w3\.org/2000/svg)[\w.]+", path.read_text())
        assert hosts == [], path


def test_vendored_files_come_with_their_licences(static: Path) -> None:
    for folder in (static / "vendor").iterdir():
        assert any(path.name.startswith("LICENSE") for path in folder.iterdir()), folder


def test_a_server_without_tokens_serves_the_page_too() -> None:
    with local_server(auth=False) as server:
        assert server.client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/prometheus", "/"),
        ("/prometheus/", "/"),
        ("/prometheus/graph?g0.expr=up&g0.tab=0", "/?g0.expr=up&g0.tab=0"),
    ],
)
def test_the_address_of_the_prometheus_base_leads_to_the_page(
    demo: LocalServer, path: str, target: str
) -> None:
    """Clients such as prometheus-api-client ask it whether a Prometheus is there."""
    answer = demo.client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, target)
    assert demo.client.head(path, follow_redirects=True).status_code == 200
