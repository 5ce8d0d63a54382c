"""Access to the parts of a Grafana dashboard, and the report of what is not imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from novaql.server.dashboards.schema import Note
from novaql.server.errors import invalid

Item = TypeVar("Item")

# Sources with PromQL: the plug-ins of Prometheus and of clouds have `prometheus` in the name.
# A panel of several sources has the type `datasource`; each of its queries names its own source.
_OTHERS = ("datasource", "victoriametrics-metrics-datasource", "victoriametrics-datasource")


MOST_NOTES = 5_000
"""The most parts of a dashboard that an import drops or changes; a dashboard with more is not
imported, so that a small document has no large report."""


class Report:
    """Dropped and changed parts, in the order of the document. Raises `InvalidRequest` beyond
    `MOST_NOTES`."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def dropped(self, path: str, reason: str) -> None:
        self._add(Note(path=path, action="dropped", reason=reason))

    def changed(self, path: str, reason: str) -> None:
        self._add(Note(path=path, action="changed", reason=reason))

    def _add(self, note: Note) -> None:
        if len(self.notes) >= MOST_NOTES:
            raise invalid("/dashboard", f"more than {MOST_NOTES} parts cannot be imported")
        self.notes.append(note)

    def cut(self, path: str, found: list[Item], most: int, what: str) -> list[Item]:
        """The first items of a list. Reports that there are more."""
        if len(found) > most:
            self.dropped(path, f"{what} beyond the first {most}")
        return found[:most]

    def dropped_fields(self, at: str, part: Part, names: Mapping[str, str]) -> None:
        """Report which of these fields the part has. The values of `names` describe them."""
        for name, what in names.items():
            if part.get(name):
                self.dropped(f"{at}/{name}", what)


class Part:
    """An object of a dashboard. Exports of many versions and plug-ins differ: a field of another
    type than the expected one counts as absent."""

    def __init__(self, value: Any) -> None:
        self._fields: Mapping[str, Any] = value if isinstance(value, Mapping) else {}

    def get(self, name: str) -> Any:
        return self._fields.get(name)

    def has(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str:
        found = self.get(name)
        return found if isinstance(found, str) else ""

    def number(self, name: str) -> float | None:
        found = self.get(name)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else None

    def items(self, name: str) -> list[Any]:
        found = self.get(name)
        return found if isinstance(found, list) else []

    def part(self, name: str) -> Part:
        return Part(self.get(name))

    def parts(self, name: str, at: str, report: Report) -> Iterator[tuple[str, Part]]:
        """The objects of a list, each with its path. Reports what is no object."""
        for number, found in enumerate(self.items(name)):
            if isinstance(found, Mapping):
                yield f"{at}/{number}", Part(found)
            else:
                report.dropped(f"{at}/{number}", "is no object")


def foreign(*holders: Part) -> str | None:
    """The type of the source if it is not a metrics source. The first holder with a type decides.

    holders  a query, then its panel; or a variable, or an annotation. Dashboards from before
             Grafana 8.3 name sources without a type: these are not foreign.
    """
    for holder in holders:
        kind = holder.part("datasource").text("type")
        if kind and not kind.startswith("$"):
            return None if "prometheus" in kind or kind in _OTHERS else kind[:60]
    return None
