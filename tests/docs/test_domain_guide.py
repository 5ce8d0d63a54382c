"""The guide to a new domain in server/README.md fits on a screen and names files that exist."""

from __future__ import annotations

import re

from tests.support.repository.files import ROOT

PAGE = (ROOT / "server/README.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Adding a domain\n")[2].partition("\n## ")[0]
MOST_LINES = 60
NEW = re.compile(r"notes|`(__init__|model|tables|jobs)\.py`")
"""Paths of the domain that a reader adds."""
FOLDERS = (ROOT, ROOT / "server", ROOT / "server/tokens", ROOT / "tests/server/contract")


def named_files() -> set[str]:
    ticked = re.findall(r"`[\w./-]+\.(?:py|md|toml)(?=[`:])`?", SECTION)
    return {name.strip("`") for name in ticked if not NEW.match(name)}


def test_it_fits_on_a_screen() -> None:
    assert 0 < len(SECTION.splitlines()) <= MOST_LINES


def test_every_file_that_it_names_exists() -> None:
    assert len(named_files()) > 10
    assert [
        name for name in named_files() if not any((folder / name).is_file() for folder in FOLDERS)
    ] == []
