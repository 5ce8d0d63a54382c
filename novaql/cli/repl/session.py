"""The state of a shell, and the execution of its lines."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from novaql.cancellation import Cancellation
from novaql.cli.failures import note, report
from novaql.cli.interrupts import interruptible
from novaql.engine import selects_data
from novaql.errors import NovaqlError
from novaql.export.chart_braille import can_draw, chart_text
from novaql.export.table import text_of
from novaql.fast_dataclass import dataclass
from novaql.inputs.resolve import NO_DATA, as_source
from novaql.opening import answer, timed
from novaql.result import Result
from novaql.text.remarks import remark
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.source import Source

MODES = ("table", "csv", "json", "chart")


@dataclass
class Session:
    """The state of a shell.

    data       what is queried, as for `query`
    mode       the form of answers, one of MODES
    timer      whether each answer has its duration
    zone       of the times of tables, and of times without an offset; None: UTC
    when       arguments of `query`: `time`, or `start` and maybe `end` and `step`; may be empty
    out        where answers go; None: standard output
    """

    data: Any = None
    mode: str = "table"
    timer: bool = False
    zone: ZoneInfo | None = None
    when: dict[str, Any] = field(default_factory=dict)
    out: TextIO | None = None

    @property
    def source(self) -> Source:
        """The source that `data` names. Raises `InputError`."""
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[Source, int]:
        """The source that `data` names, and the time at which it was opened."""
        return _open(self.data)

    def open(self, data: Any) -> None:
        """Query other data from now on. Raises `InputError`, without a change."""
        self.__dict__["_opened"] = _open(data)
        self.data = data

    def write(self, text: str) -> None:
        print(text, file=self.out or sys.stdout, flush=True)

    def redirect(self, path: str | None) -> None:
        """Send answers to a file, which is emptied first; None: to standard output."""
        opened = None if path is None else open(path, "w", encoding="utf-8")  # noqa: SIM115
        if self.out is not None:
            self.out.close()
        self.out = opened

    def attempt(self, work: Callable[[], None]) -> bool:
        """Call a function; an expected failure is reported, and the session continues.

        Returns whether it succeeded.
        """
        try:
            work()
        except BrokenPipeError:  # the reader of the answers has closed the pipe
            raise
        except (NovaqlError, StoreError, OSError) as problem:
            report(problem)
            return False
        except KeyboardInterrupt:
            note("info", "interrupted")
            return False
        return True

    def answer(self, text: str) -> None:
        """Run a query and write its answer. Ctrl-C cancels it, and raises `KeyboardInterrupt`."""
        began = time.perf_counter()
        source, opened_ms = self._opened if selects_data(text) else (NO_DATA, 0)
        options, infos = timed(self.data, source, opened_ms, **self.when)
        cancellation = Cancellation()
        result = interruptible(
            lambda: answer(text, source, options, infos, cancellation=cancellation),
            cancellation.cancel,
        )
        self.write(self._shown(result))
        if self.timer:
            cost = result.stats
            note(
                "time",
                f"{time.perf_counter() - began:.3f} s, {cost.series} series, "
                f"{cost.samples} samples",
            )

    def _shown(self, result: Result) -> str:
        width = shutil.get_terminal_size().columns
        if self.mode == "chart" and can_draw(result):
            notes = [("warning", remark(text)) for text in result.warnings]
            notes += [("info", remark(text)) for text in result.infos]
            return "\n".join([chart_text(result, width=width), *(f"{k}: {t}" for k, t in notes)])
        if self.mode in ("table", "chart"):
            return text_of(result, rows=100, width=width, spark=32, zone=self.zone)
        for kind, texts in (("warning", result.warnings), ("info", result.infos)):
            for text in texts:
                note(kind, text)
        return result.csv().rstrip("\n") if self.mode == "csv" else result.json()


def _open(data: Any) -> tuple[Source, int]:
    now_ms = time.time_ns() // 1_000_000
    return as_source(data, now_ms=now_ms), now_ms
