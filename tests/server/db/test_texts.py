"""Texts and JSON are read back as they were written, whatever characters they have; U+FFFD stands
for a lone surrogate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import String as AnyString
from sqlalchemy import Text, select

from novaql.server.auth.bootstrap import ensure_first_tenant
from novaql.server.clock import SystemClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import load_tables
from novaql.server.db.rows import Base
from novaql.server.db.tables import AuditEntry
from novaql.server.db.texts import json_text, json_value, restored, storable
from novaql.server.ids import new_id
from novaql.text import valid_text

HOSTILE = (
    "\0",
    "a\0b",
    "\0" * 400,
    "\ufdd0",
    "\ufdd00",
    "\ufdd0d800",
    "\ud800",
    "a\udfffb",
    "\\u0000",
    "\\\0",
    '"\0"',
    "\uffff",
    "\u202e",
    "x" * 100_000,
    "",
    " ",
)
TEXTS = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(HOSTILE)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4),
    max_leaves=8,
)


def valid(value: Any) -> Any:
    match value:
        case str():
            return valid_text(value)
        case dict():
            return {valid(name): valid(member) for name, member in value.items()}
        case list():
            return list(map(valid, value))
    return value


def test_surrogates_that_earlier_versions_stored() -> None:
    assert restored("a\ufdd0dcffb") == "a\ufffdb"
    assert json_value('["\ufdd0d800"]') == ["\ufffd"]


@given(TEXTS)
def test_texts_come_back(text: str) -> None:
    kept = storable(text)
    kept.encode()  # no surrogate
    assert "\0" not in kept
    assert restored(kept) == valid_text(text)


@given(JSON)
def test_json_comes_back(value: Any) -> None:
    kept = json_text(value)
    kept.encode()
    assert "\\u0000" not in kept.replace("\\\\", "")
    assert json_value(kept) == valid(value)
    assert json_value(kept.encode()) == valid(value)


def test_rows_come_back_from_both_databases(database: StateDatabase) -> None:
    tenant = ensure_first_tenant(database, SystemClock()).id
    written = {}
    with database.write(tenant) as session:
        for text in HOSTILE:
            shown = {"name": text, f"key {text[:100]}": [text]}
            row = AuditEntry(
                id=new_id("aud"),
                at=datetime(2026, 4, 1, tzinfo=UTC),
                **dict.fromkeys(("actor_type", "actor_id", "action", "target_type"), "x"),
                actor_name=text,
                target_id=text if len(text) < 1000 else "long",
                after=shown,
                diff=[],
                request_id="req",
                outcome=text,  # of sixteen characters, says its column
            )
            session.add(row)
            written[row.id] = (valid_text(text), valid(shown))
    with database.read(tenant) as session:
        rows = session.execute(select(AuditEntry)).scalars().all()
        found = {row.id: (row.actor_name, row.after) for row in rows}
        named = select(AuditEntry.id).where(AuditEntry.actor_name == "a\0b")
        by_text = session.execute(named).scalars().all()

    assert found == written
    assert [written[key][0] for key in by_text] == ["a\0b"]


def test_every_column_of_text_is_one_of_these() -> None:
    load_tables()
    plain = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, AnyString | Text)
    ]

    assert plain == []
