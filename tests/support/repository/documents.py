"""Runs the examples of a Markdown page as a reader would: from top to bottom, in one folder.

```python   runs; names remain defined for the next block of the page
```ipython  is a cell of IPython, with the same names
```promql   is an argument of the page's function `show`, if there is one
```output   directly below: what it printed
```console  lines that begin with `$ ` run in a shell, the lines below are what they print;
            `export NAME=…` is for the commands and the Python below. A server of
            `novaql serve --daemon` is stopped when the page ends

In outputs `…` stands for any text. Port 9490 of a page is replaced by a free one.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tests.support.repository.files import ROOT
from tests.support.servers.forking_command import forking_command

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
DOCUMENTED_PORT = "9490"
SERVER = re.compile(r"^It is process (\d+), and its log is ", flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, the line it starts at."""

    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    return [Block(m[1], m[2], page.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(page)]


def shell_commands(text: str) -> Iterator[tuple[str, str]]:
    """Commands of a console block, each with the output below it; `\\` at the end continues one."""
    command: str | None = None
    output: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            if command is not None:
                yield command, "".join(output)
            command, output = line[2:], []
        elif command is not None and command.endswith("\\\n"):
            command += line
        else:
            output.append(line)
    if command is not None:
        yield command.rstrip("\n"), "".join(output)


def same(expected: str, actual: str) -> bool:
    """Whether an output equals the documented one: `…` is any text, trailing blanks do not
    count."""

    def clean(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    pattern = ".*?".join(re.escape(part) for part in clean(expected).split("…"))
    return re.fullmatch(pattern, clean(actual), flags=re.DOTALL) is not None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Reader:
    """Follows a page in `folder`.

    forks  whether `novaql` is a fork of a process that has imported it, rather than a Python that
           starts
    """

    folder: Path
    forks: bool = False
    port: int = field(default_factory=free_port)
    names: dict[str, object] = field(default_factory=lambda: {"__name__": "__main__"})
    servers: list[int] = field(default_factory=list)
    exported: dict[str, str] = field(default_factory=dict)

    def follow(self, page: str) -> None:
        """Run every block. Raises an AssertionError that names the line of a wrong output."""
        programs = self.folder / "bin"
        programs.mkdir()
        for name, module in (("novaql", " -m novaql"), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
            program.chmod(0o755)
        work = self.folder / "work"
        work.mkdir()
        forking = forking_command(programs / "novaql") if self.forks else contextlib.nullcontext()
        with forking, contextlib.chdir(work):
            self._follow(page)

    def _follow(self, page: str) -> None:
        try:
            printed = ""
            for block in blocks(page):
                text = block.text.replace(DOCUMENTED_PORT, str(self.port))
                if block.language == "python":
                    printed = self._python(text, block.line)
                elif block.language == "promql" and "show" in self.names:
                    printed = self._python(f"show({text!r})", block.line)
                elif block.language == "ipython":
                    printed = self._cell(text)
                elif block.language == "output":
                    self._expect(text, printed, block.line)
                elif block.language == "console":
                    for command, expected in shell_commands(text):
                        self._shell(command.strip(), expected, block.line)
        finally:
            self._stop()

    def _python(self, text: str, line: int) -> str:
        code = compile("\n" * line + text, "page", "exec")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, self.names)
        return out.getvalue()

    def _cell(self, text: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.ipython.run_cell(text.removesuffix("\n")).raise_error()
        return out.getvalue()

    @cached_property
    def ipython(self) -> InteractiveShell:
        """A shell that does not change this program's `__main__`."""
        main = sys.modules["__main__"]
        return InteractiveShell(
            user_module=main,
            user_ns=self.names,
            ipython_dir=str(self.folder / "ipython"),
            config=Config(HistoryManager={"enabled": False}),
        )

    def _shell(self, command: str, expected: str, line: int) -> None:
        environment = {
            **os.environ,
            **self.exported,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }
        environment.pop("NOVAQL_DATA", None)
        exported = re.match(r"export (\w+)=", command)
        if exported:
            command = f'{command} && printf %s "${exported[1]}"'
        run = subprocess.run(
            command, shell=True, env=environment, text=True, check=False, timeout=300,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if exported else subprocess.STDOUT,
        )  # fmt: skip
        shown = run.stderr if exported else run.stdout
        if "error" not in expected:
            assert run.returncode == 0, f"line {line}: {command}\n{shown}"
        self.servers += [int(pid) for pid in SERVER.findall(run.stdout)]
        if exported:
            os.environ[exported[1]] = self.exported[exported[1]] = run.stdout
        self._expect(expected, shown, line, command)

    def _expect(self, expected: str, actual: str, line: int, what: str = "") -> None:
        if expected.strip() and not same(expected, actual):
            raise AssertionError(
                f"line {line}: {what}\nthe page says\n{expected}\nbut it prints\n{actual}"
            )

    def _stop(self) -> None:
        for name in self.exported:
            os.environ.pop(name, None)
        for pid in self.servers:
            with contextlib.suppress(ProcessLookupError):  # the page has stopped it
                os.kill(pid, signal.SIGTERM)
