"""NovaQL as the suite measures it: in a separate process without HTTP, and as a server."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.peer_embedded import Dataset, Matrix, open_dataset
from novaql.selectors import matcher_sets

Timed = tuple[list[float], float]
"""Seconds of each repetition, and CPU seconds of one, on average."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often a query is repeated: `least` to `most` times, for about `seconds`."""

    seconds: float = 1.0
    least: int = 3
    most: int = 40

    def enough(self, done: int, spent: float) -> bool:
        return done >= self.least and (done >= self.most or spent >= self.seconds)


class InProcess:
    """The library in a separate process, so that its memory can be measured without the suite's.

    cold   decoded pages and batches are dropped before each repetition, outside of the clock
    numba  whether numba is available; without it, NumPy evaluates everything
    """

    def __init__(self, folder: Path, *, numba: bool = True, **options: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_answer_calls, args=(theirs, folder, options, numba), daemon=True
        )
        self._process.start()
        self._ask(("ready",))
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def answer(self, method: str, arguments: Sequence[Any]) -> Any:
        return self._ask(("answer", method, arguments))

    def measure(
        self, method: str, arguments: Sequence[Any], effort: Effort, *, cold: bool
    ) -> Timed:
        found: Timed = self._ask(("measure", method, arguments, effort, cold))
        return found

    def stop(self) -> None:
        try:
            self._connection.send(None)
            self._process.join(20)
        except OSError:
            pass
        if self._process.is_alive():
            self._process.terminate()

    def _ask(self, question: tuple[Any, ...]) -> Any:
        self._connection.send(question)
        good, found = self._connection.recv()
        if not good:
            raise RuntimeError(found)
        return found


def _answer_calls(
    connection: Connection, folder: Path, options: dict[str, Any], numba: bool
) -> None:
    """The loop of the process: it answers calls until it receives None."""
    if not numba:
        sys.modules["numba"] = None  # type: ignore[assignment]  # as if it were not installed
    from novaql import warmup  # noqa: PLC0415 - in the process that is measured

    dataset = Dataset(folder, **options)
    while (question := connection.recv()) is not None:
        try:
            match question:
                case ("ready",):
                    warmup()
                    connection.send((True, None))
                case ("answer", method, arguments):
                    connection.send((True, getattr(dataset, method)(*arguments)))
                case ("measure", method, arguments, effort, cold):
                    connection.send(
                        (True, _measured(dataset, method, arguments, effort, cold=cold))
                    )
        except Exception as problem:  # noqa: BLE001 - the suite receives it, and continues
            connection.send((False, f"{type(problem).__name__}: {problem}"))
    dataset.close()


def _measured(
    dataset: Dataset, method: str, arguments: Sequence[Any], effort: Effort, *, cold: bool
) -> Timed:
    call = getattr(dataset, method)
    call(*arguments)
    times: list[float] = []
    cpu = 0.0
    while not effort.enough(len(times), sum(times)):
        if cold:
            dataset.forget()
        cpu_before, began = time.process_time(), time.perf_counter()
        call(*arguments)
        times.append(time.perf_counter() - began)
        cpu += time.process_time() - cpu_before
    return times, cpu / len(times)


@dataclass(slots=True)
class Server:
    """`novaql serve` on a free port of this machine, without tokens, as the peers have none."""

    folder: Path
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    port: int = 0
    reader: threading.Thread | None = None

    def start(self) -> None:
        command = [
            sys.executable, "-m", "novaql", "serve", "--no-auth", "--data", str(self.folder),
            "--listen", "127.0.0.1:0", "--log-level", "warning",
        ]  # fmt: skip
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **self.environment},
            )
        assert self.process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", self.process.stdout.readline())
        if found is None:
            raise RuntimeError(f"the server did not start; see {self.log}")
        self.port = int(found[1])
        self.reader = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.reader.start()
        self._settle()

    def _settle(self) -> None:
        """Wait until the server has prepared its kernels in the background."""
        calm = 0
        for second in range(60):
            before = time.clock_gettime((~self.pid << 3) | 2)  # Linux: CPU time of a process
            time.sleep(1)
            calm = calm + 1 if time.clock_gettime((~self.pid << 3) | 2) - before < 0.05 else 0
            if calm >= 2 and second >= 5:
                return

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/prometheus"

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if self.reader is not None and self.process is not None:
            assert self.process.stdout is not None
            self.reader.join()
            self.process.stdout.close()


def arrow_request(kind: str, expr: str, start: float, end: float, step: float) -> bytes:
    """Body of POST /v1/novaql for an Arrow stream: wide over many times, long for one."""
    body: dict[str, Any] = {"query": expr, "format": "arrow", "nocache": True}
    if kind == "range":
        body |= {"start": start, "end": end, "step": step, "layout": "wide"}
    else:
        body |= {"time": end}
    return json.dumps(body).encode()


def arrow_answer(stream: bytes) -> dict[str, Any]:
    """An Arrow stream in the form that the peer benchmark compares: Prometheus's."""
    table = pa.ipc.open_stream(stream).read_all()
    series = _long(table) if "value" in table.column_names else _wide(table)
    result = [{"metric": dict(key), "values": points} for key, points in series.items()]
    return {"resultType": "matrix", "result": result}


_Series = dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]


def _wide(table: pa.Table) -> _Series:
    times: list[Any] = table["time"].cast(pa.int64()).to_pylist()
    seconds = [at / 1000 for at in times]
    found: _Series = {}
    for name in table.column_names[1:]:
        (matchers,) = [[]] if name == "{}" else matcher_sets([name])
        pairs = zip(seconds, table[name].to_pylist(), strict=True)
        points = [(at, value) for at, value in pairs if value is not None]
        found[tuple((matcher.name, matcher.value) for matcher in matchers)] = points
    return found


def _long(table: pa.Table) -> _Series:
    names = [name for name in table.column_names if name not in ("time", "value", "histogram")]
    fields = [table.schema.field(name).metadata or {} for name in names]
    labels = [metadata[b"label"].decode() for metadata in fields]
    columns = [table[name].to_pylist() for name in names]
    times: list[Any] = table["time"].cast(pa.int64()).to_pylist()
    values: list[Any] = table["value"].to_pylist()
    found: _Series = {}
    keys = zip(*columns, strict=True) if columns else (() for _ in times)
    for key, at, value in zip(keys, times, values, strict=True):
        pairs = zip(labels, key, strict=True)
        present = tuple((label, text) for label, text in pairs if text is not None)
        found.setdefault(present, []).append((at / 1000, value))
    return found


__all__ = [
    "Effort",
    "InProcess",
    "Matrix",
    "Server",
    "Timed",
    "arrow_answer",
    "arrow_request",
    "open_dataset",
]
