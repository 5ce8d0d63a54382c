"""The summary that snapshot, backup and restore print."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.tsdb import Copied


def summary(done: Copied) -> str:
    """Return one line: the size of the copy, and how much of it was written."""
    parts = [f"{_counted(done.blocks, 'block')} with {_counted(done.samples, 'sample')}"]
    parts.append(_counted(done.segments, "segment") + " of the log")
    parts.append(f"{done.bytes} bytes, {done.copied} of them written")
    if done.linked:
        parts.append(f"{done.linked} files linked")
    if done.unchanged:
        parts.append(f"{done.unchanged} files were there already")
    return "; ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
