"""Tokens: stored hashed, found again after a restart, mistyped ones refused."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from server.platform.request_ids import new_id
from server.platform.scopes import Role
from server.platform.tokens import FileTokenStore, is_well_formed, new_secret


def test_the_secret_is_not_in_the_file_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "below" / "tokens.json"
    token, secret = FileTokenStore(path).add("ci", Role.OPERATOR)

    assert re.fullmatch(r"nova_operator_[0-9A-Za-z]{49}", secret)
    assert secret[14:-6] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token.id.startswith("tok_")


def test_tokens_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    first = FileTokenStore(path)
    assert first.is_empty()
    made = [first.add(role.value, role) for role in Role]
    second = FileTokenStore(path)

    assert not second.is_empty()
    assert [second.find(secret) for _, secret in made] == [token for token, _ in made]
    assert second.find(new_secret(Role.ADMIN)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": [{"role": "king"}]}'])
def test_a_file_that_is_none_of_ours_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(text)

    with pytest.raises(ValueError, match="is not a token file"):
        FileTokenStore(path)
    assert path.read_text() == text


def test_one_wrong_character_is_noticed_without_a_look_up() -> None:
    secret = new_secret(Role.READ_ONLY)

    assert is_well_formed(secret)
    for at in range(len(secret)):
        other = "a" if secret[at] != "a" else "b"
        assert not is_well_formed(secret[:at] + other + secret[at + 1 :])
    assert not is_well_formed("nova_admin_é")


def test_roles_are_ordered() -> None:
    assert [[a.covers(b) for b in Role] for a in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_ids_are_ulids_in_order_of_time() -> None:
    ids = [new_id("req") for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all(re.fullmatch(r"req_[0-7][0-9A-HJKMNP-TV-Z]{25}", i) for i in ids)
    times = [i[4:14] for i in ids]
    assert times == sorted(times)
