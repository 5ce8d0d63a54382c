"""Request and response models of ledgers."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Listed, ResponseModel, Timestamp
from novaql.server.ledger.model import readable
from novaql.server.ledger.tables import LedgerEntry

Size = Annotated[int, Field(ge=0, le=2**53 - 1)]
Hash = Annotated[str, Field(description="base64 of 32 bytes")]


class LedgerQuery(PageQuery):
    """Filters of the list."""

    kind: str | None = Field(
        None, min_length=1, max_length=64, description="as `agent.action.approved`"
    )


class ProofQuery(BaseModel):
    """What to prove: `index` (and `size`), or `from` (and `to`); by default the newest entry."""

    model_config = ConfigDict(extra="forbid")

    index: Size | None = Field(None, description="of the entry to prove; absent: the newest one")
    size: Size | None = Field(None, description="of the tree that has it; absent: the current one")
    from_: Size | None = Field(None, alias="from", description="size of the older tree")
    to: Size | None = Field(None, description="size of the newer tree; absent: the current one")


class EntryProofQuery(BaseModel):
    """The entry to prove."""

    model_config = ConfigDict(extra="forbid")

    index: Size | None = Field(None, description="absent: the newest one")


class LedgerEntryOut(ResponseModel):
    """An entry of a ledger.

    `leaf` is the exact text that is hashed; the other fields are read from it.
    """

    index: int
    at: Timestamp
    kind: str
    actor: str = Field(description="id of the user, or kind of the job")
    request_id: str
    data: dict[str, Any]
    leaf: str = Field(description="canonical JSON (RFC 8785)")
    leaf_hash: str = Field(description="base64 of SHA-256 over a zero byte and `leaf`")

    @classmethod
    def of(cls, entry: LedgerEntry) -> LedgerEntryOut:
        """Convert a row for clients."""
        leaf = readable(entry.leaf)
        try:
            content = json.loads(leaf)
        except ValueError:  # someone changed the row; `novaql ledger verify` names it
            content = None
        if not isinstance(content, dict):
            content = {}
        data = content.get("data")
        return cls(
            index=entry.seq,
            at=entry.at,
            kind=str(content.get("kind", "")),
            actor=str(content.get("actor", "")),
            request_id=str(content.get("request_id", "")),
            data=data if isinstance(data, dict) else {},
            leaf=leaf,
            leaf_hash=text_of(entry.leaf_hash),
        )


class LedgerEntriesOut(Listed[LedgerEntryOut]):
    """A page of a ledger."""


class CheckpointOut(ResponseModel):
    """A signed checkpoint of the current ledger. Save `checkpoint` to verify later exports."""

    origin: str = Field(description="the name of the log: that of the key, and the agent's id")
    size: int
    root: Hash
    vkey: str = Field(description="the public key that signed it")
    checkpoint: str = Field(description="C2SP tlog-checkpoint, signed with Ed25519")
    published_size: int = Field(description="of the last one that was sent to webhooks")
    published_at: Timestamp | None


class ProofOut(ResponseModel):
    """A proof of RFC 6962: hashes from which a verifier computes the root."""

    type: Literal["inclusion", "consistency"]
    size: int = Field(description="of the tree")
    root: Hash
    index: int | None = Field(description="of the entry, for `inclusion`")
    leaf_hash: str | None = Field(description="of the entry, for `inclusion`")
    from_: int | None = Field(alias="from", description="size of the older tree, for `consistency`")
    from_root: str | None = Field(description="root of the older tree, for `consistency`")
    hashes: list[str]


class LedgerKeyOut(ResponseModel):
    """A public key of ledgers."""

    vkey: str = Field(description="for `novaql ledger verify --key`")
    name: str
    key_id: str
    algorithm: Literal["ed25519"]
    valid_from: Timestamp
    valid_until: Timestamp | None = Field(description="null: it signs now")


class LedgerKeysOut(ResponseModel):
    """The public keys of ledgers, the current one first."""

    data: list[LedgerKeyOut]


def text_of(raw: bytes) -> str:
    """Encode a hash in base64."""
    return base64.b64encode(raw).decode()
