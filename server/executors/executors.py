"""The executors of a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from novaql.fast_dataclass import dataclass
from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    from novaql.server.executors import loading
    from novaql.server.executors.executor import Executor
else:
    loading = lazy_module("novaql.server.executors.loading")


@dataclass(frozen=True, slots=True)
class Executors:
    """The executors of a server, or those that one tenant may use.

    isolation  one line about how scripts are isolated
    """

    by_name: Mapping[str, Executor]
    isolation: str

    def names(self) -> list[str]:
        return sorted(self.by_name)

    def get(self, name: str) -> Executor | None:
        return self.by_name.get(name)

    def for_tenant(self, tenant_name: str) -> Executors:
        """Return those that a tenant may use."""
        allowed = {n: found for n, found in self.by_name.items() if found.allows(tenant_name)}
        return replace(self, by_name=allowed)

    @classmethod
    def from_file(cls, path: Path | None, *, private: Iterable[Path] = ()) -> Executors:
        """Load the configuration, and choose the isolation. None: there are no executors.

        private  files and folders of the server that no script may read

        Raises `ArgumentError` with the position of each error.
        """
        if path is None:
            return NO_EXECUTORS
        return cls(*loading.load_executors(path, private))


NO_EXECUTORS = Executors({}, "off")
"""Without a configuration."""
