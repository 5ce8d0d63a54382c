"""Checkpoints and keys: the example of the specification, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.ledger.notes import (
    Checkpoint,
    InvalidNote,
    VerifierKey,
    checkpoint_body,
    public_key,
    signed_note,
)

EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""  # noqa: E501
SEED, OTHER = bytes(range(32)), bytes(range(1, 33))
KEY = VerifierKey("novaql-1", public_key(SEED))
NOTE = signed_note(
    checkpoint_body("novaql-1/agt_1", 3, b"r" * 32, "2026-04-01T12:00:00Z"), KEY.name, SEED
)


def test_the_example_of_the_specification_is_read() -> None:
    found = Checkpoint.parse(EXAMPLE)

    assert (found.origin, found.size, found.time) == ("example.com/behind-the-sofa", 20852163, "")
    ((name, signature),) = found.signatures
    assert (name, signature[:4].hex(), len(signature)) == (found.origin, "033de0ae", 68)


def test_a_signed_checkpoint_is_verified_by_its_key_alone() -> None:
    found = Checkpoint.parse(NOTE)

    assert (found.origin, found.size, found.root) == ("novaql-1/agt_1", 3, b"r" * 32)
    assert found.time == "2026-04-01T12:00:00Z"
    assert found.signer([VerifierKey("novaql-1", public_key(OTHER)), KEY]) == KEY
    assert found.signer([VerifierKey("novaql-1", public_key(OTHER))]) is None
    assert found.signer([VerifierKey("novaql-2", public_key(SEED))]) is None


def test_a_key_signs_only_logs_of_its_name() -> None:
    body = checkpoint_body("elsewhere/agt_1", 3, b"r" * 32, "2026-04-01T12:00:00Z")

    assert Checkpoint.parse(signed_note(body, KEY.name, SEED)).signer([KEY]) is None


def test_a_key_is_read_back() -> None:
    assert VerifierKey.parse(KEY.text) == KEY
    assert KEY.text.startswith(f"novaql-1+{KEY.id.hex()}+AQ")


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_any_changed_byte_fails(place: int, bits: int) -> None:
    raw = bytearray(NOTE.encode())
    raw[place] ^= bits
    try:
        found = Checkpoint.parse(raw.decode())
    except (InvalidNote, UnicodeDecodeError):
        return
    assert found.signer([KEY]) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        EXAMPLE.rstrip("\n"),
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("CsUY", "Cs"),
        EXAMPLE.replace("— ", "- "),
        EXAMPLE.partition("\n\n")[0],
        EXAMPLE.replace("20852163\n", "20852163\n\n"),
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(InvalidNote):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "a+b", KEY.text[:-4], f"x{KEY.text}", KEY.text.replace("+AQ", "+Ag"), "a b+00+AQ=="],
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(InvalidNote):
        VerifierKey.parse(text)
