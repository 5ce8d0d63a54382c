"""Imports run one way. The contracts themselves are in pyproject.toml, `tool.importlinter`."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from tests.support.repository import ROOT

HEAVY = (
    "duckdb",
    "fastapi",
    "matplotlib",
    "numba",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "rich",
    "starlette",
    "uvicorn",
)


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
    for house in ("novaql", "tsdb"):
        modules = {
            path.stem if path.is_file() else path.name
            for path in (ROOT / house).iterdir()
            if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
        } - {"__init__"}

        assert sorted(modules) == sorted(m for m in modules if (house, m) in placed)


def modules_after(statement: str) -> set[str]:
    """Top-level packages loaded in a fresh interpreter after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_importing_novaql_loads_nothing_heavy() -> None:
    assert modules_after("import novaql").isdisjoint(HEAVY)


def test_importing_the_store_loads_nothing_heavy_and_no_engine() -> None:
    assert modules_after("import tsdb").isdisjoint({*HEAVY, "novaql", "server", "lark"})


def test_a_query_over_memory_loads_nothing_heavy() -> None:
    loaded = modules_after(
        "import tsdb\nfrom novaql import query\nquery('up + 1', tsdb.memory(), time=0)"
    )

    assert loaded.isdisjoint(HEAVY)
