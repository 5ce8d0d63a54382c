"""Secrets that tell a typing mistake, roles in order, ids in order."""

from __future__ import annotations

import random
import re
import time

import pytest
from ulid import ULID

from novaql.server.auth.roles import Role
from novaql.server.crypto.token_secrets import is_well_formed, new_secret
from novaql.server.ids import new_id, ulid_text


def test_one_wrong_character_is_noticed_without_a_look_up() -> None:
    secret = new_secret(Role.READ_ONLY.value)

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
    assert ids == sorted(ids)


def test_ids_say_when_they_were_made_as_another_library_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.time()
    made = ULID.from_str(new_id("req").partition("_")[2])
    assert abs(made.timestamp - now) < 60
    for number in (0, 1, 2**128 - 1, *(random.Random(4).getrandbits(128) for _ in range(100))):
        assert ulid_text(number) == str(ULID.from_int(number))
    monkeypatch.setattr(time, "time_ns", lambda: 0)  # a clock that is set back
    later = [int(ULID.from_str(new_id("req").partition("_")[2])) for _ in range(3)]
    assert later == [int(made) + n for n in (1, 2, 3)]
