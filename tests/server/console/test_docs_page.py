"""The API's documentation at /docs: from this server alone, and its forms send requests."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from novaql.server.auth.roles import Role
from novaql.server.console import CONTENT_SECURITY_POLICY
from tests.support.programs.axe import serious_findings
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import LocalServer

pytestmark = pytest.mark.slow


def test_the_page_names_no_address_and_has_the_usual_policy(demo: LocalServer) -> None:
    page = demo.client.get("/docs")
    assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert not re.search(r"https?:|//[\w.]|<style|style=|<script(?![^>]*\bsrc=)", page.text)
    assets = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert len(assets) == 5
    for path in assets:
        assert demo.client.get(path).status_code == 200, path
    again = demo.client.get("/docs", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304


def test_the_licences_of_swagger_ui_come_with_it(static: Path) -> None:
    folder = static / "vendor" / "swagger-ui"
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "SmartBear" in (folder / "NOTICE").read_text()
    bundle = gzip.decompress((folder / "swagger-ui-bundle.js.gz").read_bytes())
    assert b"swagger-ui-bundle.js.LICENSE.txt" in bundle[:200]
    assert (folder / "swagger-ui-bundle.js.LICENSE.txt").is_file()


def opened(browser: BrowserContext, demo: LocalServer, token: str = "") -> tuple[Page, list[str]]:
    """The page, and what its browser complains about or requests from elsewhere."""
    page, complaints = browser.new_page(), list[str]()
    page.set_default_timeout(60_000)
    base = str(demo.client.base_url).rstrip("/")

    def note(request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(base).netloc and request.url[:5] != "data:":
            complaints.append(request.url)

    page.on("request", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    console = Console(page, base, "", complaints)
    page.on("console", console.hear)
    if token:  # the page sends the cookie of the console's session
        page.goto(f"{base}/?q=vector(1)#token={token}")
        page.wait_for_selector("#legend tbody tr")
    page.goto(f"{base}/docs")
    page.wait_for_selector(".opblock-tag-section")
    return page, complaints


def test_every_operation_is_shown_and_a_form_sends_a_request(
    browser: BrowserContext, demo: LocalServer
) -> None:
    page, complaints = opened(browser, demo, demo.tokens[Role.READ_ONLY])
    document = demo.client.get("/v1/openapi.json").json()
    expect(page.locator(".opblock-tag-section")).to_have_count(len(document["tags"]))
    links = page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
    base = str(demo.client.base_url).rstrip("/")
    assert [link for link in links if not link.startswith(base)] == []

    page.click("#operations-tag-tokens h3, h3#operations-tag-tokens")
    section = page.locator("#operations-tokens-listTokens")
    section.locator(".opblock-summary-control").click()
    section.locator(".try-out__btn").click()
    section.locator(".execute").click()
    status = section.locator(".live-responses-table tr.response .response-col_status")
    expect(status).to_contain_text("403")
    expect(section.locator(".live-responses-table")).to_contain_text("the token has read_only")
    assert [one for one in complaints if "403" not in one] == []
    page.close()


_RESOLVED = """async ([digest, document, paths]) => {
  const { resolveSubtree } = await import(`/console/${digest}/js/references.js`);
  const all = await Promise.all(paths.map((path) => resolveSubtree(document, path)));
  return all.map((one) => JSON.stringify(one.spec) ?? null); // Playwright copies texts quickly
}"""


def references(value: object) -> list[str]:
    if isinstance(value, list):
        return [one for item in value for one in references(item)]
    if not isinstance(value, dict):
        return []
    here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return here + [one for item in value.values() for one in references(item)]


def test_references_of_the_document_are_resolved(
    browser: BrowserContext, demo: LocalServer
) -> None:
    page = browser.new_page()
    page.goto(f"{str(demo.client.base_url).rstrip('/')}/docs")
    digest = re.search(r"/console/(\w+)/", page.content())
    assert digest is not None

    def resolved(document: object, *paths: list[str]) -> list[Any]:
        texts = page.evaluate(_RESOLVED, [digest[1], document, list(paths)])
        return [None if text is None else json.loads(text) for text in texts]

    tree = {"properties": {"below": {"$ref": "#/parts/a~1tree"}, "leaf": {"$ref": "#/parts/leaf"}}}
    leaf = {"type": "string", "description": "a leaf"}
    described = {"$ref": "#/parts/leaf", "description": "the last leaf"}
    parts = {"a/tree": tree, "leaf": leaf}
    document = {"all": [{"$ref": "#/parts/a~1tree"}, described], "parts": parts}
    recursive = {"properties": {"below": {"$ref": "#/parts/a~1tree"}, "leaf": leaf}}
    whole, missing = resolved(document, ["all"], ["nothing", "here"])
    assert whole == [recursive, {"type": "string", "description": "the last leaf"}]
    assert missing is None

    document = demo.client.get("/v1/openapi.json").json()
    paths = [["paths", path, verb] for path, verbs in document["paths"].items() for verb in verbs]
    schemas = document["components"]["schemas"]
    recursive_ones = {f"#/components/schemas/{name}" for name in schemas if leads_to(schemas, name)}
    for path, operation in zip(paths, resolved(document, *paths), strict=True):
        assert operation["operationId"], path
        assert set(references(operation)) <= recursive_ones, path
        assert len(json.dumps(operation)) < 100_000, path  # the page renders each of these
    page.close()


def leads_to(schemas: dict[str, Any], name: str) -> bool:
    """Whether a schema refers to itself, through others too."""
    seen, pending = set[str](), references(schemas[name])
    while pending:
        one = pending.pop().rpartition("/")[2]
        if one not in seen:
            seen.add(one)
            pending += references(schemas[one])
    return name in seen


def test_axe_finds_nothing_serious(browser: BrowserContext, demo: LocalServer) -> None:
    page, complaints = opened(browser, demo, demo.tokens[Role.READ_ONLY])
    findings = serious_findings(page)
    for verb, operation in (("GET", "listTokens"), ("POST", "issueToken")):
        tag = page.locator("h3#operations-tag-tokens")
        if tag.get_attribute("data-is-open") != "true":
            tag.click()
        opened_one = f"#operations-tokens-{operation}"
        section = page.locator(opened_one)
        expect(section.locator(".opblock-summary-method")).to_have_text(verb)
        section.locator(".opblock-summary-control").click()
        expect(page).to_have_url(re.compile(f"#/tokens/{operation}$"))
        section.locator(".try-out__btn").click()
        section.locator(".execute").click()
        expect(section.locator(".live-responses-table")).to_contain_text("403")
        findings += serious_findings(page, opened_one)
    assert findings == []
    assert [one for one in complaints if "403" not in one] == []
    page.close()
