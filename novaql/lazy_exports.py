"""Names and modules that are loaded at their first use: `import novaql` stays cheap.

A package gets its exported names from `lazy_exports` (PEP 562). A module gets another module that
is slow to load from `lazy_module`. Both repeat the import under `TYPE_CHECKING`, for type checkers
and editors; tests/architecture compares the two. No function imports a module of this project.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def lazy_exports(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package.

    modules  a module of the package → the names that the package exports from it, separated by
             spaces
    """
    module_of = {name: module for module, names in modules.items() for name in names.split()}

    def load(name: str) -> Any:
        if name in module_of:
            found = getattr(_imported(f"{package}.{module_of[name]}"), name)
            setattr(sys.modules[package], name, found)
            return found
        if name in modules:  # `tsdb.options` works after `import tsdb`
            return _imported(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of})

    return load, names, sorted(module_of)


_LAZY: list[str] = []


def lazy_module(name: str) -> ModuleType:
    """A proxy of a module. The first use of an attribute imports the module."""
    _LAZY.append(name)
    return _LazyModule(name)


def load_lazy_modules(*packages: str) -> None:
    """Import the modules below some packages that `lazy_module` was called for. A process calls
    this before it forks others, which then share these modules."""
    prefixes = tuple(f"{package}." for package in packages)
    for name in _LAZY:  # an import may append further ones
        if name.startswith(prefixes):
            import_module(name)


class _LazyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # tools that inspect modules load nothing
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} yet")
        # Looked up each time: a test may replace a function of the module.
        return getattr(_imported(self.__name__), name)


def _imported(name: str) -> ModuleType:
    """The module. Garbage collection is off during the import: the objects that an import allocates
    remain, and repeated traversals took a tenth of the time to a process's first answer."""
    if name in sys.modules or not gc.isenabled():
        return import_module(name)
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.enable()
        _make_old()


def _make_old() -> None:
    """Move all objects to the oldest generation, which collections rarely traverse, without a
    traversal. If the program has frozen objects, do nothing: they would no longer be frozen."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
