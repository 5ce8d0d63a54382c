"""The proof of one entry as one text: C2SP `tlog-proof`, with the entry as its extra data."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from novaql.fast_dataclass import dataclass
from novaql.ledger.notes import Checkpoint, InvalidNote, VerifierKey
from novaql.ledger.tree import leaf_hash, verifies_inclusion
from novaql.ledger.verify import LedgerFault, check_origin

_FIRST = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry that is in the log of a signed checkpoint."""

    index: int
    leaf: bytes
    checkpoint: Checkpoint
    key: VerifierKey


def proof_text(index: int, leaf: bytes, hashes: Sequence[bytes], note: str) -> str:
    """Return the proof of an entry. `note` is the checkpoint of the tree that the hashes belong
    to."""
    lines = [_FIRST, f"extra {_base64(leaf)}", f"index {index}", *map(_base64, hashes)]
    return "\n".join(lines) + f"\n\n{note}"


def verify_entry_proof(
    text: str, keys: Sequence[VerifierKey], *, wanted: str | None = None
) -> ProvenEntry:
    """Verify the proof of an entry of a log, by default of any. Raises `LedgerFault`."""
    head, separator, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != _FIRST or not separator or len(lines) < 2 or not lines[0].startswith("extra "):
        raise LedgerFault(f"this is no proof of an entry: it does not begin as {_FIRST}")
    index = _INDEX.fullmatch(lines[1])
    if index is None:
        raise LedgerFault("the proof has no index")
    try:
        leaf, *hashes = (
            base64.b64decode(part, validate=True)
            for part in (lines[0].removeprefix("extra "), *lines[2:])
        )
        checkpoint = Checkpoint.parse(note)
    except (ValueError, InvalidNote) as problem:
        raise LedgerFault(f"the proof is damaged: {problem}") from None
    key = checkpoint.signer(keys)
    if key is None:
        raise LedgerFault("the checkpoint of the proof has no valid signature of a given key")
    check_origin(checkpoint.origin, wanted)
    number = int(index[1])
    if not verifies_inclusion(leaf_hash(leaf), number, checkpoint.size, hashes, checkpoint.root):
        raise LedgerFault(f"the proof does not show that this is entry {number} of the log", number)
    return ProvenEntry(number, leaf, checkpoint, key)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
