"""The state of a shell, and what a line does in it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TextIO

from novaql import query_options
from novaql.cancellation import Cancellation
from novaql.cli.failures import note, report
from novaql.engine import evaluate, selects_data
from novaql.errors import NovaqlError
from novaql.export.chart_braille import can_draw, chart_text
from novaql.export.scale import round_step_ms
from novaql.export.table import text_of
from novaql.inputs.resolve import NO_DATA, as_source
from novaql.result import Result
from novaql.timeparse import to_ms
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.source import Source

MODES = ("table", "csv", "json", "chart")
WANTED_STEPS = 240


@dataclass
class Session:
    """What a shell remembers.

    data       what is queried, as for `query`
    mode       the form of answers, one of MODES
    timer      whether each answer has its duration
    when       arguments of `query`: `time`, or `start`, `end` and maybe `step`; empty: now
    out        where answers go; None: standard output
    """

    data: Any = None
    mode: str = "table"
    timer: bool = False
    when: dict[str, str] = field(default_factory=dict)
    out: TextIO | None = None

    @cached_property
    def source(self) -> Source:
        """What `data` names. Raises `InputError`."""
        return as_source(self.data)

    def open(self, data: Any) -> None:
        """Query other data from now on. Raises `InputError`; then nothing changes."""
        source = as_source(data)
        self.data = data
        self.__dict__["source"] = source

    def write(self, text: str) -> None:
        print(text, file=self.out or sys.stdout, flush=True)

    def redirect(self, path: str | None) -> None:
        """Send answers to a file, which is emptied first; None: to standard output."""
        opened = None if path is None else open(path, "w", encoding="utf-8")  # noqa: SIM115
        if self.out is not None:
            self.out.close()
        self.out = opened

    def attempt(self, work: Callable[[], None]) -> bool:
        """Do something; a foreseen failure is reported, and the session goes on.

        Returns whether it was done.
        """
        try:
            work()
        except (NovaqlError, StoreError, OSError) as problem:
            report(problem)
            return False
        except KeyboardInterrupt:
            note("info", "interrupted")
            return False
        return True

    def answer(self, text: str) -> None:
        """Run a query and write its answer. Ctrl-C cancels it. Raises `NovaqlError`."""
        began = time.perf_counter()
        options = query_options(**self.times())
        source = self.source if selects_data(text) else NO_DATA
        result = _interruptible(
            lambda cancellation: evaluate(text, source, options, cancellation=cancellation)
        )
        self.write(self._shown(result))
        if not self.when and len(result) == 0 and result.text is None:
            note("info", "nothing at this moment; .time or .range look at older data")
        if self.timer:
            cost = result.stats
            note(
                "time",
                f"{time.perf_counter() - began:.3f} s, {cost.series} series, "
                f"{cost.samples} samples",
            )

    def times(self) -> dict[str, Any]:
        """Return the arguments of `query` for the times of `when`."""
        if "start" not in self.when or "step" in self.when:
            return dict(self.when)
        now = time.time_ns() // 1_000_000
        start, end = (
            to_ms(self.when[name], argument=name, now_ms=now, end=name == "end")
            for name in ("start", "end")
        )
        step = round_step_ms((end - start) / WANTED_STEPS)
        return {"start": start / 1000, "end": end / 1000, "step": step / 1000}

    def _shown(self, result: Result) -> str:
        width = shutil.get_terminal_size().columns
        if self.mode == "chart" and can_draw(result):
            notes = [("warning", text) for text in result.warnings]
            notes += [("info", text) for text in result.infos]
            return "\n".join([chart_text(result, width=width), *(f"{k}: {t}" for k, t in notes)])
        if self.mode in ("table", "chart"):
            return text_of(result, rows=100, width=width, spark=32)
        for kind, texts in (("warning", result.warnings), ("info", result.infos)):
            for text in texts:
                note(kind, text)
        return result.csv().rstrip("\n") if self.mode == "csv" else result.json()


def _interruptible(work: Callable[[Cancellation], Result]) -> Result:
    """Do work in a thread, so that Ctrl-C can cancel it here. Raises `QueryCancelled`."""
    cancellation = Cancellation()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, cancellation)
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                cancellation.cancel()
