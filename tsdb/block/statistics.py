"""The statistics of a rollup, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from novaql.tsdb.block.format import PageSections
from novaql.tsdb.parts.sorted_run import Stream


class Statistics(Mapping[str, Stream]):
    """Streams by name. Their directories are read at first use."""

    def __init__(
        self,
        sections: Mapping[str, PageSections],
        read: Callable[[str, PageSections], Stream],
    ) -> None:
        self._sections, self._read = sections, read
        self._streams: dict[str, Stream] = {}

    def __getitem__(self, name: str) -> Stream:
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = self._read(name, self._sections[name])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._sections)

    def __len__(self) -> int:
        return len(self._sections)
