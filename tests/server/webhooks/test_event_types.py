"""A webhook can subscribe to each event that the server publishes: `EVENT_TYPES` has its type."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from novaql.server.wiring import EVENT_TYPES
from tests.support.repository.files import ROOT, python_files


def published(text: str) -> Iterator[tuple[int, str]]:
    """Lines and types of `publish("…")` and `event="…"`; an f-string yields its constant start."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        is_publish = isinstance(node.func, ast.Attribute) and node.func.attr == "publish"
        types = node.args[:1] if is_publish else []
        types += [keyword.value for keyword in node.keywords if keyword.arg == "event"]
        for value in types:
            match value:
                case ast.Constant(value=str(type_)):
                    yield value.lineno, type_
                case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
                    yield value.lineno, f"{start}…"


def known(type_: str) -> bool:
    """Whether `EVENT_TYPES` has a type, or one that begins so."""
    start, cut, _ = type_.partition("…")
    return any(event.startswith(start) for event in EVENT_TYPES) if cut else type_ in EVENT_TYPES


@pytest.mark.slow
def test_a_webhook_can_subscribe_to_each_published_event() -> None:
    found = [
        (f"{path}:{line}", type_)
        for path in python_files()
        if path.parts[0] == "server"
        for line, type_ in published((ROOT / path).read_text())
    ]
    assert len(found) > 15
    assert [(place, type_) for place, type_ in found if not known(type_)] == []


@pytest.mark.parametrize(
    ("code", "types"),
    [
        ('unit.publish("note.created", {})', ["note.created"]),
        ('unit.record(row, "a.b", None, event="note.created")', ["note.created"]),
        ('unit.publish(f"note.{change}", {})', ["note.…"]),
        ("unit.publish(TYPES[change], {})", []),
    ],
)
def test_published_types_are_found(code: str, types: list[str]) -> None:
    assert [type_ for _, type_ in published(code)] == types
    assert not any(known(type_) for type_ in types)
