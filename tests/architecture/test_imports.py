"""Imports run one way. The contracts themselves are in pyproject.toml, `tool.importlinter`."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from tests.support.repository.files import ROOT, python_files
from tests.support.repository.loaded_modules import HEAVY, modules_after


def lint() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    return subprocess.run(
        [*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_import_contracts_are_kept() -> None:
    run = lint()

    assert run.returncode == 0, f"\n{run.stdout}{run.stderr}"
    assert "0 broken" in run.stdout


def test_every_module_of_novaql_and_tsdb_has_its_place_in_a_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    placed = {
        (container, name.strip(" ()"))
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract.get("containers", [])
        for layer in contract["layers"]
        for name in layer.replace("|", ":").split(":")
    }
    for house in ("novaql", "novaql.tsdb"):
        folder = ROOT.joinpath(*house.split("."))
        modules = {
            path.stem if path.is_file() else path.name
            for path in folder.iterdir()
            if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
        } - {"__init__"}

        assert sorted(modules) == sorted(m for m in modules if (house, m) in placed)


LATE = {
    "concurrent.futures": "threads that read batches, started by the first query",
    "difflib": "what a misspelt name was meant to be",
    "hashlib": "loads OpenSSL; limit_ratio and grammar caching",
    "http": "scraping",
    "json": "answers as JSON, files as JSON",
    "lark": "parsing",
    "logging": "nothing here logs at import",
    "novaql.cli": "the shell",
    "novaql.export.columns": "answers as tables",
    "novaql.export.prometheus_json": "answers as JSON",
    "novaql.export.table": "answers as text",
    "novaql.inputs.tables.arrow_table": "tables",
    "novaql.inputs.text.exposition": "text formats",
    "novaql.inputs.files": "files",
    "novaql.inputs.open_any": "everything that is no database",
    "pcodec": "blocks on disk",
    "novaql.tsdb.block": "blocks on disk",
    "novaql.tsdb.database": "the store; the engine needs its contracts alone",
    "novaql.tsdb.directory.store_directory": "the store on disk",
    "novaql.tsdb.head": "the store",
    "novaql.tsdb.directory.manifest": "the store on disk",
    "novaql.tsdb.maintenance.check": "checks of a store",
    "novaql.tsdb.wal": "the log",
    "zlib": "compressed files",
}
"""Modules that the engine leaves alone until they are needed, and for what: together 80 ms."""


def test_importing_novaql_loads_itself_alone() -> None:
    loaded = modules_after("import novaql", whole=True)

    assert {name for name in loaded if name.partition(".")[0] == "novaql"} == {
        "novaql",
        "novaql.lazy_exports",
    }
    assert loaded.isdisjoint({*HEAVY, "numpy"})


@pytest.mark.parametrize("statement", ["from novaql import query", "import novaql.engine"])
def test_query_and_engine_load_nothing_heavy_and_nothing_early(statement: str) -> None:
    loaded = modules_after(statement, whole=True)

    assert loaded.isdisjoint(HEAVY)
    # numpy brings what it brings.
    own = loaded - modules_after("import numpy, numpy.typing", whole=True)
    assert sorted(own & set(LATE)) == []


def test_the_contracts_of_the_store_are_loaded_without_the_store() -> None:
    loaded = modules_after("from novaql.tsdb.model import labels, samples, source", whole=True)

    assert {name for name in loaded if name.startswith("novaql.tsdb.")} == {
        "novaql.tsdb.model",
        "novaql.tsdb.model.series_batch",
        "novaql.tsdb.model.rollup_columns",
        "novaql.tsdb.model.read_errors",
        "novaql.tsdb.errors",
        "novaql.tsdb.model.exemplars",
        "novaql.tsdb.model.histograms",
        "novaql.tsdb.model.interruption",
        "novaql.tsdb.model.labels",
        "novaql.tsdb.model.matchers",
        "novaql.tsdb.model.source",
        "novaql.tsdb.model.batch_views",
        "novaql.tsdb.model.flat_arrays",
        "novaql.tsdb.model.samples",
    }


def test_every_name_of_the_store_is_there_when_asked_for() -> None:
    code = (
        "import inspect\nfrom novaql import tsdb\n"
        "assert set(tsdb.__all__) <= set(dir(tsdb))\n"
        "from novaql.tsdb import *\n"
        "assert inspect.isfunction(check) and tsdb.check is check\n"
        "assert tsdb.options.StoreOptions is StoreOptions\n"
        "try:\n    tsdb.nothing\n"
        "except AttributeError as problem:\n    assert 'nothing' in str(problem)\n"
        "else:\n    raise AssertionError"
    )
    assert "novaql.tsdb" in modules_after(code, whole=True)


def test_importing_the_store_loads_nothing_heavy_and_no_engine() -> None:
    loaded = modules_after("from novaql import tsdb\ntsdb.memory()", whole=True)

    assert loaded.isdisjoint({*HEAVY, "lark", "novaql.engine", "novaql.language", "novaql.server"})
    assert {
        name
        for name in loaded
        if name.startswith("novaql.") and not f"{name}.".startswith("novaql.tsdb.")
    } == {"novaql.fast_dataclass", "novaql.lazy_exports"}


def test_a_query_over_memory_loads_nothing_heavy() -> None:
    loaded = modules_after("from novaql import query, tsdb\nquery('up + 1', tsdb.memory(), time=0)")

    assert loaded.isdisjoint(HEAVY)


NOT_OF_A_STORE = {
    "asyncio": "servers",
    "http": "scraping",
    "multiprocessing": "compiling in a child process",
    "novaql.diagnosis": "empty answers",
    "novaql.evaluator.operators.more_aggregates": "mode, mad, histogram, …",
    "novaql.evaluator.operators.transform": "functions of instant vectors",
    "novaql.inputs.files": "files",
    "novaql.inputs.parquet": "Parquet",
    "novaql.inputs.tables.arrow_table": "tables",
    "novaql.inputs.tables.column_roles": "tables",
    "novaql.language.hints": "mistakes in a query",
    "novaql.rules": "rules",
    "novaql.tsdb.compaction.rewrite": "compaction",
    "novaql.tsdb.maintenance.backup": "backups",
    "novaql.tsdb.maintenance.check": "checks of a store",
    "numpy.random": "new series",
}
"""Modules that a query over a store on disk leaves alone, and for what they are."""
MOST_OF_A_QUERY = 355
"""Modules of this project that the first query over a store may load: about 0.3 ms each."""


def test_a_first_query_over_a_store_loads_only_what_it_needs(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with tsdb.open(folder) as database:
        series = SeriesTable.from_columns(1, {"__name__": LabelColumn.constant("up", 1)})
        database.append(tsdb.Batch(series, np.zeros(9, np.int64), np.arange(9) * 1000, np.ones(9)))
        database.flush()

    loaded = modules_after(
        "from novaql import query, tsdb\n"
        f"database = tsdb.open({str(folder)!r}, read_only=True)\n"
        "assert query('sum(up)', database, time=8).values.item() == 1\n"
        "assert query('sum(rate(up[8s]))', database, time=8).values.item() == 0",
        whole=True,
    )

    assert sorted(loaded & {*HEAVY, *NOT_OF_A_STORE}) == []
    assert "novaql.tsdb.block.reader" in loaded
    assert len([name for name in loaded if name.startswith("novaql.")]) <= MOST_OF_A_QUERY


FOLDERS = ("grammar", "server", "tsdb")


SHORT_IMPORT = re.compile(
    rf"^[ \t]*(?:from (?:{'|'.join(FOLDERS)})\b|import .*\b(?:{'|'.join(FOLDERS)})\b)", re.MULTILINE
)
"""Only files with such a line are parsed."""


def imported(path: Path) -> Iterator[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    if SHORT_IMPORT.search(text) is None:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def test_folders_at_the_top_level_are_imported_by_the_names_that_users_have() -> None:
    """`import tsdb` finds a user's own tsdb.py, or nothing, where NovaQL is installed."""
    short = [
        f"{path}: {name}"
        for path in python_files()
        for name in imported(path)
        if name.partition(".")[0] in FOLDERS
    ]

    assert short == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import tsdb.model\n", ["tsdb.model"]),
        ("import os, server\n", ["os", "server"]),
        ("def f():\n    from grammar import x\n", ["grammar"]),
    ],
)
def test_short_names_are_found(text: str, found: list[str], tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)

    assert [*imported(path)] == found


def test_a_users_own_modules_of_these_names_stay_theirs(tmp_path: Path) -> None:
    for name in FOLDERS:
        (tmp_path / f"{name}.py").write_text("WHOSE = 'the user'\n")
    code = (
        "import grammar, server, tsdb\n"
        "from novaql import query, tsdb as store\n"
        "import novaql.server\n"
        "assert grammar.WHOSE == server.WHOSE == tsdb.WHOSE == 'the user'\n"
        "assert query('count(up) or vector(2)', store.memory(), time=0).values.item() == 2\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr


OPTIONAL = {
    "cryptography",
    "duckdb",
    "matplotlib",
    "numba",
    "pandas",
    "polars",
    "psycopg",
    "pyarrow",
    "rich",
}
"""Heavy packages that a program may not have or need: functions import them."""
HOUSES = ("grammar", "novaql", "server", "tsdb")


def imported_in_functions(text: str) -> Iterator[tuple[int, str]]:
    """Lines and packages."""
    if re.search(r"^[ \t]+(?:from|import) ", text, re.MULTILINE) is None:
        return
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.lineno, (node.module or "").partition(".")[0]


def test_functions_import_only_optional_heavy_packages() -> None:
    """`lazy_module` is the one way to load other modules late."""
    late = [
        f"{path}:{line} {package}"
        for path in python_files()
        if path.parts[0] in HOUSES
        for line, package in imported_in_functions((ROOT / path).read_text(encoding="utf-8"))
        if package not in OPTIONAL
    ]

    assert late == []


def test_imports_in_functions_are_found() -> None:
    text = "import a\nclass B:\n async def f(self):\n  import c.d\n  from e.f import g\n"

    assert [*imported_in_functions(text)] == [(4, "c"), (5, "e")]


def lazy_modules(path: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Of each `if TYPE_CHECKING` with an else: name → module, as type checkers and as Python sees
    it."""
    text = (ROOT / path).read_text(encoding="utf-8")
    for node in ast.parse(text).body if "lazy_module(" in text else ():
        if not (isinstance(node, ast.If) and node.orelse):
            continue
        loaded = {
            target.id: ast.literal_eval(each.value.args[0])
            for each in node.orelse
            if isinstance(each, ast.Assign)
            and isinstance(each.value, ast.Call)
            and isinstance(each.value.func, ast.Name)
            and each.value.func.id == "lazy_module"
            for target in each.targets
            if isinstance(target, ast.Name)
        }
        declared = {
            alias.asname or alias.name: (
                f"{each.module}.{alias.name}" if isinstance(each, ast.ImportFrom) else alias.name
            )
            for each in node.body
            if isinstance(each, ast.ImportFrom | ast.Import)
            for alias in each.names
        }
        if loaded:
            yield loaded, declared


def test_a_lazy_module_is_the_one_that_type_checkers_see() -> None:
    pairs = [(path, pair) for path in python_files() for pair in lazy_modules(path)]

    assert len(pairs) > 5
    for path, (loaded, declared) in pairs:
        assert loaded == {name: declared.get(name) for name in loaded}, path
