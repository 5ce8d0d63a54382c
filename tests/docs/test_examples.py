"""Every example in the documentation runs and prints what the page says."""

from __future__ import annotations

import codeop
import os
import re
import shutil
from pathlib import Path

import pytest

from novaql.language import parse
from tests.support.repository.documents import Reader, blocks, same, shell_commands
from tests.support.repository.files import ROOT

RUN = ("python", "console", "ipython")

PAGES = sorted(
    page.relative_to(ROOT)
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if any(b.language in RUN for b in blocks(page.read_text(encoding="utf-8")))
)

STARTED = (Path("README.md"), Path("docs/tutorial.md"))
"""Pages whose every `novaql` is a Python that starts. The others' are forks: 0.1 s, not 2."""

PROGRAMS = {"promtool": "prometheus", "prometheus": "prometheus", "curl": "curl"}
"""Programs that pages call → the Debian package that brings them."""


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_examples_are_true(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVAQL_DATA", raising=False)
    text = (ROOT / page).read_text(encoding="utf-8")
    called = {
        command.split()[0]
        for block in blocks(text)
        if block.language == "console"
        for command, _ in shell_commands(block.text)
    }
    for program in sorted(called & PROGRAMS.keys()):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install {PROGRAMS[program]}")

    Reader(tmp_path, forks=bool(called) and page not in STARTED).follow(text)


def test_pages_were_found() -> None:
    assert Path("README.md") in PAGES
    assert len(PAGES) > 4


def test_a_wrong_output_is_found(tmp_path: Path) -> None:
    page = "```python\nprint(1 + 1)\n```\n\n```output\n3\n```\n"

    with pytest.raises(AssertionError, match="the page says"):
        Reader(tmp_path).follow(page)


def test_a_wrong_output_of_a_query_is_found(tmp_path: Path) -> None:
    page = (
        "```python\ndef show(text):\n    print(text.strip())\n```\n\n"
        "```promql\nup\n```\n\n```output\ndown\n```\n"
    )

    with pytest.raises(AssertionError, match="the page says"):
        Reader(tmp_path).follow(page)


def test_a_wrong_output_of_a_cell_is_found(tmp_path: Path) -> None:
    page = "```ipython\nvalue = 6 * 7\n```\n\n```ipython\nvalue\n```\n\n```output\n…43\n```\n"

    with pytest.raises(AssertionError, match=r"but it prints\nOut.*: 42"):
        Reader(tmp_path).follow(page)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_code_can_be_pasted_into_the_interpreter(page: Path) -> None:
    """There, a block such as that of `for` ends with an empty line, and has none inside."""
    for block in blocks((ROOT / page).read_text(encoding="utf-8")):
        typed: list[str] = []
        for line in [*block.text.splitlines(), ""] if block.language == "python" else ():
            typed.append(line)
            if codeop.compile_command("\n".join(typed), f"{page}:{block.line}") is not None:
                typed = []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_server_answers_before_the_next_command(page: Path) -> None:
    """Pages start servers with --daemon, which waits for them, and with tokens."""
    for block in blocks((ROOT / page).read_text(encoding="utf-8")):
        for command, _ in shell_commands(block.text) if block.language == "console" else ():
            assert not command.rstrip().endswith(" &"), command
            if re.search(r"\bnovaql serve\b.*--(data|config)", command):
                assert "--daemon" in command or "--stop" in command, command
                assert "--no-auth" not in command, command


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_stops_the_server_that_it_starts(page: Path) -> None:
    """The next page needs its port."""
    serving = False
    for block in blocks((ROOT / page).read_text(encoding="utf-8")):
        for command, _ in shell_commands(block.text) if block.language == "console" else ():
            if re.search(r"\bnovaql serve\b.*--(daemon|stop)", command):
                serving = "--stop" not in command
    assert not serving


def test_an_exported_variable_is_for_what_follows(tmp_path: Path) -> None:
    page = """```console
$ export WORD=$(echo hidden)
$ echo $WORD
hidden
```

```python
import os

print(os.environ["WORD"])
```

```output
hidden
```
"""
    Reader(tmp_path).follow(page)
    assert "WORD" not in os.environ


def test_a_failing_command_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="false"):
        Reader(tmp_path).follow("```console\n$ false\n```\n")


@pytest.mark.slow
def test_a_forked_program_is_the_program(tmp_path: Path) -> None:
    page = """```console
$ novaql query 'vector(1) +' 2>err.txt || echo "ended with $?"; grep -c error err.txt
ended with 1
1
$ echo 'vector(2)' | novaql fmt -
vector(2)
```
"""
    for forks in (False, True):
        folder = tmp_path / str(forks)
        folder.mkdir()
        Reader(folder, forks=forks).follow(page)


def test_an_ellipsis_is_any_text() -> None:
    assert same("a … c\n", "a b b c")
    assert not same("a … c\n", "a b b d")


def test_the_queries_beside_sql_are_queries() -> None:
    page = (ROOT / "docs/how-to/coming-from-sql.md").read_text(encoding="utf-8")
    beside = re.findall(r"^\| `.*` \| `(.*)` \|$", page, flags=re.MULTILINE)

    assert len(beside) >= 10
    for query in beside:
        parse(query.replace("…", "t"))
