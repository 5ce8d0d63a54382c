"""Lines of a shell: from a terminal, with completion, history, colours; or from a pipe."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import Output

from novaql.cli.repl.commands import COMMANDS, Quit, run_command
from novaql.cli.repl.session import Session
from novaql.complete import complete
from novaql.errors import NovaqlError
from novaql.highlight.lexer import NovaqlLexer
from novaql.highlight.words import TERMINALS
from novaql.tsdb.errors import StoreError

_PIECES = re.compile(f"{TERMINALS['STRING']}|{TERMINALS['COMMENT']}|`|[()\\[\\]{{}}]")


def is_open(text: str) -> bool:
    """Whether a query continues in the next line: a bracket or a backquote is open. An empty line
    ends it all the same."""
    if text.lstrip().startswith(".") or text.endswith("\n"):
        return False
    depth = 0
    for piece in _PIECES.findall(text):
        if piece == "`":
            return True
        depth += (piece in "([{") - (piece in ")]}")
    return depth > 0


def history() -> History:
    """The file of earlier lines, which only this user can read; in memory if no file can be
    written."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    folder = Path(home).expanduser() / "novaql"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(folder / "history", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(folder / "history")


class QueryCompleter(Completer):
    """Completions of a query over the data of a session, of dot commands, and of files."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files = PathCompleter(expanduser=True)

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,
    ) -> Iterable[Completion]:
        text, cursor = document.text, document.cursor_position
        if text.startswith("."):
            typed = document.text_before_cursor
            for name, command in COMMANDS.items():
                if name.startswith(typed):
                    yield Completion(name, -len(typed), display_meta=command.help)
            if typed.startswith((".open ", ".output ")):
                word = Document(re.split(r"\s", typed)[-1])
                yield from self._files.get_completions(word, complete_event)
            return
        try:
            source = self._session.source
        except (NovaqlError, StoreError, OSError):
            source = None
        for found in complete(text, cursor, source):
            yield Completion(found.text, found.start - cursor, display_meta=found.detail)


def terminal(
    session: Session, *, input: Input | None = None, output: Output | None = None
) -> Callable[[], str]:
    """Return a function that reads the next line or query. It raises `EOFError` and
    `KeyboardInterrupt`."""
    prompt: PromptSession[str] = PromptSession(
        "novaql> ",
        lexer=PygmentsLexer(NovaqlLexer),
        completer=QueryCompleter(session),
        complete_in_thread=True,
        complete_while_typing=False,
        history=history(),
        multiline=Condition(lambda: is_open(prompt.default_buffer.text)),
        prompt_continuation="   ...> ",
        input=input,
        output=output,
    )
    return prompt.prompt


def lines() -> Callable[[], str]:
    """Return a function that reads the next line or query from standard input that is not a
    terminal."""

    def statements() -> Iterator[str]:
        text = ""
        for line in sys.stdin:
            text += line.rstrip("\n")
            if not is_open(text):
                yield text
                text = ""
            else:
                text += "\n" if line.strip() else ""
        if text:
            yield text

    waiting = statements()

    def read() -> str:
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    return read


def loop(session: Session, read: Callable[[], str]) -> int:
    """Run each line until the end. Returns the number of lines that failed."""
    failed = 0
    while True:
        try:
            text = read().strip()
            if text:
                failed += not session.attempt(partial(_carry_out, session, text))
        except KeyboardInterrupt:
            continue
        except (EOFError, Quit):
            session.redirect(None)
            return failed


def _carry_out(session: Session, text: str) -> None:
    if text.startswith(".") and not text[1:2].isdigit():
        run_command(session, text)
    else:
        session.answer(text)
