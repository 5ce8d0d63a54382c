"""Write the reference pages that are drawn from the code: `python -m docs.generate`.

Functions come from the registry the checker reads, commands from their own help, Python names
from their docstrings. tests/docs/test_reference.py fails when a page is not what this writes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path

import click
from click.testing import CliRunner

import novaql
from novaql.cli.main import COMMANDS, cli
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, Aggregator, Signature
from novaql.language.signatures.aggregations import AGGREGATIONS
from novaql.language.signatures.dates import DATES
from novaql.language.signatures.histograms import HISTOGRAMS
from novaql.language.signatures.labels import LABELS
from novaql.language.signatures.over_time import OVER_TIME
from novaql.language.signatures.rollups import ROLLUPS
from novaql.language.signatures.transforms import TRANSFORMS
from novaql.server.http.openapi_components import TAGS
from novaql.server.routes import ROUTES

REFERENCE = Path(__file__).parent / "reference"
WIDTH = 96
GENERATED = "<!-- Written by `python -m docs.generate`; edit the code it is drawn from. -->"
EXPERIMENTAL = " Experimental in Prometheus."

SECTIONS: tuple[tuple[str, str, Mapping[str, Signature]], ...] = (
    ("Change over a range", "They take a range vector and answer one value a series.", ROLLUPS),
    ("Summaries over a range", "They take a range vector and summarise its samples.", OVER_TIME),
    ("Value by value", "They take an instant vector and change or order its values.", TRANSFORMS),
    ("Labels", "They change label sets and leave values alone.", LABELS),
    ("Dates", "Parts of a time in UTC. Without an argument: of the evaluation time.", DATES),
    ("Histograms", "Classic histograms are series with the label `le`.", HISTOGRAMS),
)


def functions_page() -> str:
    parts = [
        "# Functions and aggregators",
        GENERATED,
        f"{len(FUNCTIONS)} functions and {len(AGGREGATORS)} aggregators. Every example parses; the "
        "registry that the type checker reads is the source of this page.",
        "## Aggregators",
        "`by (labels)` keeps those labels, `without (labels)` drops them; with neither, everything "
        "is one group.",
        *(_aggregator(row) for row in AGGREGATIONS.values()),
    ]
    for title, introduction, rows in SECTIONS:
        parts += [f"## {title}", introduction, *(_function(row) for row in rows.values())]
    listed = {name for _, _, rows in SECTIONS for name in rows}
    assert listed == set(FUNCTIONS), sorted(listed ^ set(FUNCTIONS))
    return _page(parts)


def _aggregator(row: Aggregator) -> str:
    shown = f"{row.parameter_name}, " if row.parameter is not None else ""
    return _entry(f"{row.name}({shown}instant vector)", row.doc, row.example, row.experimental)


def _function(row: Signature) -> str:
    return _entry(f"{row} → {row.returns.value}", row.doc, row.example, row.experimental)


def _entry(heading: str, doc: str, example: str, experimental: bool) -> str:
    note = EXPERIMENTAL if experimental else ""
    return f"### `{heading}`\n\n{doc}{note}\n\n```promql\n{example}\n```"


def commands_page() -> str:
    parts = ["# The `novaql` command", GENERATED, _block(_help([]))]
    for name in COMMANDS:
        parts += [f"## `novaql {name}`", _block(_help([name]))]
        command = cli.get_command(click.Context(cli), name)
        for inner in command.commands if isinstance(command, click.Group) else ():
            parts += [f"### `novaql {name} {inner}`", _block(_help([name, inner]))]
    return _page(parts)


def _help(path: list[str]) -> str:
    runner = CliRunner(env={"COLUMNS": str(WIDTH), "NO_COLOR": "1"})
    run = runner.invoke(
        cli, [*path, "--help"], prog_name="novaql", terminal_width=WIDTH, catch_exceptions=False
    )
    assert run.exit_code == 0, run.output
    return click.unstyle(run.output)


def python_page() -> str:
    parts = [
        "# Python",
        GENERATED,
        "Everything below comes from `import novaql`. Frames whose columns have other names than "
        "usual are described with `frame`; databases are opened with `tsdb`.",
    ]
    for name in sorted(novaql.__all__, key=lambda n: (n[0].isupper(), n.lower())):
        value = getattr(novaql, name)
        if inspect.isclass(value):
            parts += _class(name, value)
        elif inspect.isfunction(value):
            parts += [f"## `{name}`", _signature(name, value), _doc(value)]
    return _page(parts)


def _class(name: str, value: type) -> Iterable[str]:
    yield f"## `{name}`"
    bases = [base.__name__ for base in value.__bases__ if base.__module__.startswith("novaql")]
    if bases:
        yield f"A {' and a '.join(f'`{base}`' for base in bases)}."
    yield _doc(value)
    for method_name, method in vars(value).items():
        if inspect.isfunction(method) and not method_name.startswith("_") and method.__doc__:
            yield f"### `{name}.{method_name}`"
            yield _signature(method_name, method)
            yield _doc(method)


def _signature(name: str, value: Callable[..., object]) -> str:
    signature = inspect.signature(value)
    parameters: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        parameters.append(_parameter(parameter))
    answer = f" -> {signature.return_annotation}"
    shown = f"{name}({', '.join(parameters)}){answer}"
    if len(shown) > WIDTH:
        lines = "".join(f"    {one},\n" for one in parameters)
        shown = f"{name}(\n{lines}){answer}"
    return f"```text\n{shown}\n```"


def _parameter(parameter: inspect.Parameter) -> str:
    shown = parameter.name
    if parameter.annotation is not parameter.empty:
        shown += f": {parameter.annotation}"  # a text: annotations are not evaluated here
    if parameter.default is not parameter.empty:
        default = parameter.default
        if isinstance(default, Enum):
            shown += f" = {type(default).__name__}.{default.name}"
        else:
            shown += f" = {default!r}"
    return shown


def _doc(value: object) -> str:
    return _block(inspect.getdoc(value) or "")


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```"


def routes_page() -> str:
    """Every row of the server's route table, with the role that it asks for."""
    sections: dict[str, list[str]] = {}
    for row in ROUTES:
        methods = ", ".join(f"`{method}`" for method in row.verbs)
        role = "–" if row.role is None else row.role.value
        audited = f"`{row.action}`" if row.action else ""
        told = " ".join(row.description.split("\n\n", 1)[0].split()).rstrip(".")
        line = f"| {methods} | `{row.path}` | {role} | {audited} | {told} |"
        sections.setdefault(row.tag, []).append(line)
    head = "| method | path | role | audit entry | what it does |\n| --- | --- | --- | --- | --- |"
    parts = [
        "# Every endpoint",
        GENERATED,
        "As the server's route table has them. A role includes those before it: read_only, "
        "operator, admin; “–” asks for no token. "
        "A write with an audit entry leaves it in the same transaction, and one that is refused "
        "leaves it with the outcome `denied`. Bodies and answers: `/v1/openapi.json`.",
    ]
    for tag, lines in sorted(sections.items()):
        parts += [f"## {tag}", f"{TAGS.get(tag, tag)}.", "\n".join([head, *lines])]
    return _page(parts)


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Path → text of every generated page."""
    return {
        REFERENCE / "functions.md": functions_page(),
        REFERENCE / "commands.md": commands_page(),
        REFERENCE / "python.md": python_page(),
        REFERENCE / "routes.md": routes_page(),
    }


def main() -> None:
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
