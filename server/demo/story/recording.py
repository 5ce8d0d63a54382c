"""The recording of a story: chapters, requests and answers, without secrets."""

from __future__ import annotations

import json
from dataclasses import asdict, field
from datetime import datetime
from pathlib import Path
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.clock import rfc3339

_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of a person or a program, and its answer."""

    at: str
    by: str
    method: str
    path: str
    body: Any
    status: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the story: its title, and what happened in it."""

    at: str
    title: str
    notes: list[str] = field(default_factory=list)
    requests: list[Exchange] = field(default_factory=list)


@dataclass(slots=True)
class Recording:
    """What happened in a story, in order.

    files    name → text: the postmortem, the export of the ledger and what verifies it
    facts    pages, timeline, audit entries and messages, for tables
    """

    chapters: list[Chapter] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    facts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    def begin(self, at: datetime, title: str) -> None:
        """Begin a chapter."""
        self.chapters.append(Chapter(rfc3339(at), title))

    def note(self, text: str) -> None:
        """Add a sentence to the chapter."""
        self.chapters[-1].notes.append(text)

    def add(self, exchange: Exchange) -> None:
        """Add a request to the chapter."""
        self.chapters[-1].requests.append(exchange)

    def save(self, folder: Path) -> None:
        """Write the recording: `README.md`, `story.json`, and the files."""
        folder.mkdir(parents=True, exist_ok=True)
        story = {"chapters": [asdict(chapter) for chapter in self.chapters], **self.facts}
        texts = {"story.json": json.dumps(story, indent=1) + "\n", "README.md": self._page()}
        for name, text in {**self.files, **texts}.items():
            for secret in self.secrets:
                text = text.replace(secret, "…")
            (folder / name).write_text(text, encoding="utf-8")

    def _page(self) -> str:
        lines = [
            "# An incident, from the deploy to the postmortem",
            "",
            "`novaql demo --story --record DIR` wrote this page and the files beside it in real",
            "time: [every request](story.json), the [postmortem](postmortem.md), and the",
            "[ledger](ledger.jsonl) of the agent, which can be verified without a server:",
            "",
            "```sh",
            'novaql ledger verify ledger.jsonl --key "$(cat vkey)" --checkpoint checkpoint',
            "```",
            "",
        ]  # fmt: skip
        for number, chapter in enumerate(self.chapters, 1):
            lines += [f"## {number}. {chapter.title}", "", f"At {chapter.at}."]
            lines += ["", *(f"- {note}" for note in chapter.notes)] if chapter.notes else []
            if chapter.requests:
                rows = [
                    f"| {one.by} | `{one.method} {one.path}` | {_short(one.body)} | {one.status} |"
                    for one in chapter.requests
                ]
                lines += [
                    "",
                    "| by | request | body | answer |",
                    "| --- | --- | --- | --- |",
                    *rows,
                ]
            lines.append("")
        for name, rows_of in self.facts.items():
            lines += [f"## {name.capitalize()}", "", *_table(rows_of), ""]
        return "\n".join(lines)


def _short(body: Any) -> str:
    if body is None:
        return ""
    text = body if isinstance(body, str) else json.dumps(body)
    text = text.replace("\n", " ").replace("|", "\\|").replace("`", "'")
    return f"`{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}`"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["None."]
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    return lines + [f"| {' | '.join(_cell(row.get(name)) for name in names)} |" for row in rows]


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text.replace("|", "\\|").replace("\n", " ")[:200]
