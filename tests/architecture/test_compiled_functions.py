"""Every registry of compiled functions is warmed up, and notices changes of shared sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec, resolve_name
from pathlib import Path

import pytest

from novaql import api
from novaql.tsdb.runtime.compiled import INTRINSICS, Registry
from tests.support.repository.files import ROOT, python_files

REGISTRIES = {registry.name: registry for registry in api._registries()}
HARMLESS = {
    "__future__", "collections.abc", "math", "typing", "numpy", "numpy.typing", "numba",
    "numba.cpython.unsafe.numbers",
    "novaql.evaluator.kernels.compiled.jit",  # names of types, which are part of the cache's keys
    "novaql.tsdb.runtime.compiled",
}  # fmt: skip
DOOR = "novaql.tsdb.codec.numba.decoder"


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            names = {f"{node.module}.{name.name}" for name in node.names}
            modules = {name for name in names if name.startswith("novaql.") and is_module(name)}
            found |= modules or {node.module}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


def is_module(name: str) -> bool:
    return Path(ROOT, *name.split(".")).with_suffix(".py").is_file()


def library_files(mentioning: str) -> list[Path]:
    return [
        path
        for path in python_files()
        if path.parts[0] in ("novaql", "tsdb", "server")
        and mentioning in (ROOT / path).read_text("utf-8")
    ]


def test_every_registry_is_warmed_up() -> None:
    created = [
        ast.literal_eval(node.args[0])
        for path in library_files(f"from {Registry.__module__} import Registry")
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Registry"
    ]
    assert sorted(created) == sorted(REGISTRIES)


def modules() -> list[tuple[Registry, str]]:
    return [
        (registry, resolve_name(name, registry.package))
        for registry in REGISTRIES.values()
        for name in dict.fromkeys((*registry.modules, *registry.shared))
        if name != "..columns"  # shared for a constant alone
    ]


@pytest.mark.parametrize(
    ("registry", "module"), modules(), ids=lambda it: it if isinstance(it, str) else it.name
)
def test_functions_of_other_files_are_shared(registry: Registry, module: str) -> None:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    shared = {resolve_name(name, registry.package) for name in registry.shared}
    assert imported(Path(spec.origin)) - HARMLESS <= shared | {INTRINSICS}


def test_the_decoder_of_pages_has_one_door() -> None:
    folder, behind = Path("tsdb/codec/numba"), "novaql.tsdb.codec.numba"
    outside = [
        (str(path), module)
        for path in library_files(behind)
        if folder not in path.parents
        for module in imported(ROOT / path)
        if module.startswith(behind) and module != DOOR
    ]
    assert outside == []


def names_in_the_cache(folder: Path, before: str) -> set[str]:
    """Names of the kernels of `strip_lines`, compiled in a process of its own after `before`."""
    code = (
        "from novaql.evaluator.kernels.dispatch import KERNELS\n"
        f"KERNELS.modules = ('.strip_lines',)\n{before}\nKERNELS.prepare()"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"NUMBA_CACHE_DIR": str(folder), "PATH": ""}
    )
    return {path.name for path in folder.rglob("*.nbi")}


@pytest.mark.slow
def test_other_shared_functions_make_other_files(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    (tmp_path / "other.py").write_text("# something else")
    today = names_in_the_cache(tmp_path / "one", "")
    changed = names_in_the_cache(
        tmp_path / "two",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); KERNELS.shared = ('other',)",
    )
    assert len(today) == len(changed) > 0
    assert not today & changed
    assert all(REGISTRIES["kernels"].version() in name for name in today)
