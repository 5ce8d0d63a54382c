"""Links between documents lead somewhere."""

from __future__ import annotations

import re

from tests.support.repository.files import ROOT, repository_files

LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")


def anchors(page: str) -> set[str]:
    """GitHub's anchors of the headings of a page."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", page, flags=re.MULTILINE):
        kept = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(kept.strip().replace(" ", "-"))
    return found


def broken_links() -> list[str]:
    broken = []
    for path in repository_files():
        if path.suffix != ".md" or "vendor" in path.parts:
            continue
        page = (ROOT / path).read_text(encoding="utf-8")
        for target in LINK.findall(page):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            there = (ROOT / path).parent / name if name else ROOT / path
            if not there.exists():
                broken.append(f"{path}: {target} does not exist")
            elif anchor and there.suffix == ".md" and anchor not in anchors(there.read_text()):
                broken.append(f"{path}: {target} has no such heading")
    return broken


def test_links_lead_somewhere() -> None:
    assert broken_links() == []


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text(encoding="utf-8")
    linked = {(docs / target.partition("#")[0]).resolve() for target in LINK.findall(index)}

    assert [
        str(page.relative_to(docs))
        for page in sorted(docs.rglob("*.md"))
        if page.resolve() not in linked and page != docs / "README.md"
    ] == []
