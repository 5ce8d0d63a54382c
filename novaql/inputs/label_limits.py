"""Limits of the labels in a message or file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from novaql.errors import InputError, LimitExceeded
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import SeriesTable

_LINE_BYTES = 4 << 20
_NEWLINE = 0x0A


@dataclass(frozen=True, slots=True)
class LabelLimits:
    """Limits of one message, which bound the memory that it may take.

    labels       most labels of one series
    name_bytes   longest label name, in bytes of UTF-8
    value_bytes  longest label value
    names        most different label names in one message
    cells        most label names times series in one message: each name is a column of all series
    series       most series in one message
    """

    labels: int = 256
    name_bytes: int = 1024
    value_bytes: int = 64 << 10
    names: int = 4096
    cells: int = 1 << 25
    series: int = 1_000_000

    @property
    def line_bytes(self) -> int:
        """The longest line of text. To read one takes about ten times its size."""
        return max(_LINE_BYTES, 2 * (self.name_bytes + self.value_bytes))  # each byte escaped

    def check(self, labels: Mapping[str, str]) -> None:
        """Raises `InputError` for a label set that is too large."""
        if len(labels) > self.labels:
            raise InputError(f"a series has {len(labels)} labels, the limit is {self.labels}")
        for name, value in labels.items():
            # A text has at most four times as many bytes as characters.
            if 4 * len(name) > self.name_bytes and len(name.encode()) > self.name_bytes:
                raise InputError(
                    f"the label name {name[:40]!r}… has {len(name.encode())} bytes, "
                    f"the limit is {self.name_bytes}"
                )
            if 4 * len(value) > self.value_bytes and len(value.encode()) > self.value_bytes:
                raise InputError(
                    f"the value of the label {name!r} has {len(value.encode())} bytes, "
                    f"the limit is {self.value_bytes}"
                )

    def check_lines(self, block: bytes, what: str, lines_before: int) -> None:
        """Raises `InputError` for a line that is too long.

        block         whole lines, each of which ends in a newline
        what          name of the text in messages
        lines_before  lines of the text before the block
        """
        if len(block) <= self.line_bytes:
            return
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE) + 1
        sizes = np.diff(ends, prepend=0)
        longest = int(sizes.argmax())
        if sizes[longest] > self.line_bytes:
            raise InputError(
                f"{what}:{lines_before + longest + 1}: the line has {sizes[longest]} bytes, "
                f"the limit is {self.line_bytes}"
            )

    def check_columns(self, table: SeriesTable) -> None:
        """`check` and `check_table` for a table. Raises `InputError` or `LimitExceeded`."""
        self.check_table(len(table), len(table.columns))
        for name, column in table.columns.items():
            for value in column.values:
                if 4 * max(len(name), len(value)) > min(self.name_bytes, self.value_bytes):
                    self.check({name: value})
        if len(table.columns) > self.labels and len(table):
            labels = sum((column.codes != 0).astype(np.int64) for column in table.columns.values())
            most = int(np.max(labels))
            if most > self.labels:
                raise InputError(f"a series has {most} labels, the limit is {self.labels}")

    def check_names(self, count: int) -> None:
        """Raises `LimitExceeded` for too many different label names."""
        if count > self.names:
            raise LimitExceeded(f"there are more than {self.names} different label names")

    def check_table(self, series: int, names: int) -> None:
        """Raises `LimitExceeded` for a table of series that is too large."""
        self.check_series(series)
        self.check_names(names)
        if series * names > self.cells:
            raise LimitExceeded(
                f"{series} series with {names} different label names are too many together"
            )

    def check_series(self, count: int) -> None:
        """Raises `LimitExceeded` for too many series."""
        if count > self.series:
            raise LimitExceeded(f"there are more than {self.series} series in one message")


USUAL_LIMITS = LabelLimits()
"""The limits unless settings contain others."""
_ENDLESS = 1 << 62
NO_LIMITS = LabelLimits(*[_ENDLESS] * 6)
"""For data that the caller has chosen to read, such as files."""
