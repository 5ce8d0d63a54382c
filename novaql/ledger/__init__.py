"""Tamper-evident logs: Merkle trees (RFC 6962), signed checkpoints (C2SP) and canonical JSON.

`verify.py` verifies an exported log without the server that wrote it. Nothing here imports the
server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.ledger.canonical import canonical_json as canonical_json
    from novaql.ledger.entry_proof import proof_text as proof_text
    from novaql.ledger.notes import Checkpoint as Checkpoint
    from novaql.ledger.notes import InvalidNote as InvalidNote
    from novaql.ledger.notes import VerifierKey as VerifierKey
    from novaql.ledger.notes import checkpoint_body as checkpoint_body
    from novaql.ledger.notes import public_key as public_key
    from novaql.ledger.notes import signed_note as signed_note
    from novaql.ledger.tree import Node as Node
    from novaql.ledger.tree import Range as Range
    from novaql.ledger.tree import completed as completed
    from novaql.ledger.tree import consistency_ranges as consistency_ranges
    from novaql.ledger.tree import hash_of as hash_of
    from novaql.ledger.tree import inclusion_ranges as inclusion_ranges
    from novaql.ledger.tree import leaf_hash as leaf_hash
    from novaql.ledger.tree import nodes_of as nodes_of
    from novaql.ledger.tree import siblings_of as siblings_of
    from novaql.ledger.verify import FORMAT as FORMAT
    from novaql.ledger.verify import verify_export as verify_export
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "canonical": "canonical_json",
            "entry_proof": "proof_text",
            "notes": "Checkpoint InvalidNote VerifierKey checkpoint_body public_key signed_note",
            "tree": (
                "Node Range completed consistency_ranges hash_of inclusion_ranges leaf_hash "
                "nodes_of siblings_of"
            ),
            "verify": "FORMAT verify_export",
        },
    )
