"""The parts of a database at one moment, as readers see them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from novaql.tsdb.parts.part import Part
from novaql.tsdb.parts.time_ordered import TimeOrdered

Block = TypeVar("Block", bound=Part)
Block_co = TypeVar("Block_co", bound=Part, covariant=True)


class PartList(Generic[Block_co]):
    """Parts in order of age: blocks, then heads.

    visible  returns a block without its deleted samples, which has the same time; None: there are
             no deleted samples
    """

    __slots__ = ("_blocks", "_heads", "_visible")

    def __init__(
        self,
        blocks: TimeOrdered[Block_co],
        heads: Sequence[Part],
        visible: Callable[[Block_co], Part] | None,
    ) -> None:
        self._blocks, self._heads, self._visible = blocks, heads, visible

    def overlapping(self, start_ms: int, end_ms: int) -> list[Part]:
        """Return the parts that may have samples in [start_ms, end_ms], in order of age."""
        found = _without_deleted(self._blocks.overlapping(start_ms, end_ms), self._visible)
        for head in self._heads:
            if head.first_ms <= end_ms and head.last_ms >= start_ms:
                found.append(head)
        return found

    def runs_of_heads(self) -> Hashable:
        """Return the identities of the runs of heads."""
        return tuple(layer.run.identity for head in self._heads for layer in head.layers())

    def __len__(self) -> int:
        return len(self._blocks) + len(self._heads)

    def __iter__(self) -> Iterator[Part]:
        yield from _without_deleted(self._blocks, self._visible)
        yield from self._heads


def _without_deleted(
    blocks: Iterable[Block], visible: Callable[[Block], Part] | None
) -> list[Part]:
    return list(blocks) if visible is None else [*map(visible, blocks)]
