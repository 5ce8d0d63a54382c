"""Blocks that only show something (`sh`, `text`, `json`, `yaml`, `toml`) are valid all the same.

`test_examples.py` runs `console` and `python` blocks. What cannot run in a test, because it
installs something, runs for ever or needs another system, is parsed by the program that it is for.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest

from novaql.cli.main import cli
from novaql.server.integrations.providers import provider_named
from novaql.server.settings import Settings
from tests.support.repository.documents import Block
from tests.support.repository.files import ROOT
from tests.support.servers import forked
from tests.support.servers.http_server import local_server

SHOWN = re.compile(r"^( *)```(sh|text|json|yaml|toml)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
REQUEST = re.compile(r"^(POST|PUT|PATCH) (/\S+)\n(\{.*?\})(?:\n\n|\n?\Z)", re.DOTALL)
COMMAND = re.compile(r"\bnovaql [a-z].*")
OTHER_PROGRAMS = ("python3 -m venv", "sudo ", "podman ", "curl ")
"""Beginnings of blocks that install something or need another system."""

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    ROOT / "docs" / "story" / "README.md",
]


def shown() -> Iterator[tuple[str, Block]]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in SHOWN.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            lines = found[3].splitlines()
            body = "\n".join(each.removeprefix(found[1]) for each in lines)
            yield str(page.relative_to(ROOT)), Block(found[2], body, line)


BLOCKS = list(shown())


def place(value: object) -> str | None:
    return f"line {value.line}" if isinstance(value, Block) else None


def commands(block: Block) -> list[list[str]]:
    """The command lines of NovaQL in a block, as words."""
    if block.language == "json":
        servers = json.loads(block.text).get("mcpServers", {}).values()
        return [[each["command"], *each["args"]] for each in servers]
    if block.language not in ("sh", "text") or REQUEST.match(block.text):
        return []
    lines = [line for line in block.text.splitlines() if not line.startswith(("podman", "sudo"))]
    return [shlex.split(found[0]) for line in lines if (found := COMMAND.search(line))]


def test_every_block_is_checked_somehow() -> None:
    unchecked = [
        f"{page}:{block.line}"
        for page, block in BLOCKS
        if not (
            commands(block)
            or REQUEST.match(block.text)
            or block.text.startswith(OTHER_PROGRAMS)
            or block.language in ("toml", "yaml")
            or '"type": "browser"' in block.text
        )
    ]
    assert unchecked == []


@pytest.mark.parametrize(("page", "block"), [b for b in BLOCKS if commands(b[1])], ids=place)
def test_commands_have_the_options_that_the_program_has(page: str, block: Block) -> None:  # noqa: ARG001
    for _, *words in commands(block):
        words = words[: words.index("|")] if "|" in words else words
        command: click.Command = cli
        # click remembers the names of the option --help of the first context of a command.
        context = click.Context(cli, **cli.context_settings)
        while isinstance(command, click.Group):
            found = command.get_command(context, words[0])
            assert found is not None, words
            command, words = found, words[1:]
        try:
            with command.make_context(command.name, list(words), parent=context):
                pass
        except click.BadParameter:  # a file of the example is not there
            pass


@pytest.mark.slow
def test_bodies_of_requests_have_the_schema_of_their_endpoint() -> None:
    checked = 0
    with local_server() as server:
        document = server.document()
    for page, block in BLOCKS:
        text = block.text
        if '"type": "browser"' in text:
            text = f"POST /v1/synthetics\n{text}"
        for method, path, body in REQUEST.findall(text):
            (item,) = (
                item
                for template, item in document["paths"].items()
                if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path)
            )
            content = item[method.lower()]["requestBody"]["content"]["application/json"]
            schema = content["schema"] | {"components": document["components"]}
            if connect := re.fullmatch(r"/v1/integrations/(\w+)/connect", path):
                schema = provider_named(Settings(), connect[1]).Settings.model_json_schema()
            jsonschema.validate(json.loads(body.replace("…", "x")), schema)
            checked += 1
            assert page.startswith("docs/")
    assert checked >= 6


def test_settings_exist(tmp_path: Path) -> None:
    files = [block.text for _, block in BLOCKS if block.language == "toml"]
    assert files
    for number, text in enumerate(files):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        Settings.from_environment({}, config=path)


@pytest.mark.slow
@pytest.mark.skipif(
    None in (shutil.which("promtool"), shutil.which("amtool")),
    reason="needs promtool and amtool: apt-get install prometheus prometheus-alertmanager",
)
def test_configuration_is_valid_for_the_program_that_reads_it(tmp_path: Path) -> None:
    checks = {"remote_write": "promtool check config", "receivers": "amtool check-config"}
    (tmp_path / "token").write_text("nova_x")
    for page, block in BLOCKS:
        if block.language != "yaml":
            continue
        command = checks[block.text.partition(":")[0]].split()
        if shutil.which(command[0]) is None:
            continue
        more = "route: {receiver: nova}\n" if command[0] == "amtool" else ""
        (tmp_path / "config.yml").write_text(more + block.text.replace("…", "x"), encoding="utf-8")
        done = subprocess.run(
            [*command, "config.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{page}: {done.stdout}{done.stderr}"


@pytest.mark.slow
def test_the_ledger_of_the_story_verifies_as_its_page_says() -> None:
    folder = ROOT / "docs" / "story"
    ((_, block),) = (each for each in BLOCKS if each[0].startswith("docs/story"))
    _, *words = shlex.split(block.text)
    words = [(folder / "vkey").read_text().strip() if "vkey" in w else w for w in words]
    words = [str(folder / word) if (folder / word).is_file() else word for word in words]
    assert forked.novaql(*words).stdout.startswith("ok: 9 entries of ")
