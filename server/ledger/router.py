"""/v1/agents/{id}/audit and /v1/ledger."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from novaql.ledger import Node, proof_text
from novaql.server.db.unit import Unit
from novaql.server.errors import invalid
from novaql.server.http.dependencies import READ_ONLY, Pages, ResourceId, Server, UnitOfWork
from novaql.server.http.request import context_of, principal_of, unit_for
from novaql.server.http.routing import api_router, cached
from novaql.server.http.streaming import Begun, begin, pieces_response
from novaql.server.ledger import service
from novaql.server.ledger.checkpoints import Signed, signing
from novaql.server.ledger.export import pieces, planned
from novaql.server.ledger.keys import open_keys
from novaql.server.ledger.schema import (
    CheckpointOut,
    EntryProofQuery,
    LedgerEntriesOut,
    LedgerEntryOut,
    LedgerKeyOut,
    LedgerKeysOut,
    LedgerQuery,
    ProofOut,
    ProofQuery,
    text_of,
)
from novaql.server.ledger.tables import LedgerLog

router = api_router("/v1/agents/{id}/audit", "agents")
keys_router = api_router("/v1/ledger", "agents")

JSON_LINES = "application/jsonl"
Done = TypeVar("Done")


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_agent_audit(
    unit: UnitOfWork, pages: Pages, id: ResourceId, query: Annotated[LedgerQuery, Query()]
) -> LedgerEntriesOut:
    """The ledger of an agent: everything that was decided about it and that it did, in order.

    Entries are immutable. `leaf` is the exact text of an entry, and `leaf_hash` its hash in the
    Merkle tree.
    """
    return LedgerEntriesOut.of(service.find(unit, pages, id, query), LedgerEntryOut.of)


@router.get("/checkpoint", dependencies=[READ_ONLY])
async def get_agent_checkpoint(request: Request, id: ResourceId) -> CheckpointOut:
    """A signed checkpoint of the current ledger of an agent.

    503 `ledger_damaged` if the ledger contradicts a checkpoint that the server signed before.
    """

    def shown(_: Unit, log: LedgerLog, signed: Signed) -> CheckpointOut:
        return CheckpointOut(
            origin=signed.origin,
            size=signed.head.size,
            root=text_of(signed.head.root),
            vkey=signed.key.text,
            checkpoint=signed.note,
            published_size=log.checkpoint_size,
            published_at=log.checkpoint_at,
        )

    return await _with_head(request, id, shown)


@router.get("/proof", dependencies=[READ_ONLY])
@cached(by="rows")
def get_agent_proof(
    unit: UnitOfWork, id: ResourceId, query: Annotated[ProofQuery, Query()]
) -> ProofOut:
    """A proof of RFC 6962 about the ledger of an agent.

    `index` and `size`: the entry is in the tree of that size. `from` and `to`: the newer tree
    begins with the older one. A size beyond the current one is a 400.
    """
    log = service.log_of(unit, id)
    if query.from_ is not None:
        if query.index is not None or query.size is not None:
            raise invalid("/index", "either index (and size) or from (and to)")
        return _consistency(unit, log, query.from_, query.to)
    if query.to is not None:
        raise invalid("/to", "belongs to from")
    size = log.size if query.size is None else query.size
    return _inclusion(unit, log, size - 1 if query.index is None else query.index, size)


@router.get(
    "/entry-proof",
    response_class=Response,
    response_model=None,
    dependencies=[READ_ONLY],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_agent_entry_proof(
    request: Request, id: ResourceId, query: Annotated[EntryProofQuery, Query()]
) -> Response:
    """One entry of the ledger of an agent, its proof and a signed checkpoint, as one text.

    The format is C2SP `tlog-proof`; `novaql ledger verify-entry` verifies it without the server.
    """

    def proved(unit: Unit, log: LedgerLog, signed: Signed) -> str:
        size = signed.head.size
        index = size - 1 if query.index is None else query.index
        hashes = service.inclusion(unit, log, index, size)
        return proof_text(index, service.leaf(unit, log, index), hashes, signed.note)

    text = await _with_head(request, id, proved)
    return Response(text, media_type="text/plain", headers={"Cache-Control": "no-store"})


@router.get(
    "/export",
    response_class=Response,
    response_model=None,
    dependencies=[READ_ONLY],
    responses={200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}}},
)
async def export_agent_audit(request: Request, id: ResourceId, server: Server) -> Response:
    """The whole ledger of an agent as JSON lines, with a signed checkpoint in the last line.

    `novaql ledger verify` verifies it without the server. If the server does not sign the ledger,
    because it contradicts a checkpoint that was signed before, the last line has that one.
    """

    def start() -> Begun:
        read = partial(unit_for, request, writes=False)
        made = pieces(planned(read, server, id), read)
        return begin(made, server.tuning.answer_at_once)

    begun = await server.pools.readers.run(start, tenant=principal_of(request).tenant_id)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{id}.jsonl"',
    }
    return pieces_response(begun, server.pools.queries, media_type=JSON_LINES, headers=headers)


@keys_router.get("/keys", dependencies=[READ_ONLY])
def list_ledger_keys(unit: UnitOfWork, server: Server) -> LedgerKeysOut:
    """The public keys that sign, or signed, checkpoints of ledgers. The current one is first.

    Store the keys that you trust outside this server. `novaql ledger verify` reads them by `--key`.
    """
    keys = open_keys(server.settings, server.database, unit.now())
    shown = [
        LedgerKeyOut(
            vkey=(verifier := keys.verifier(key)).text,
            name=keys.name,
            key_id=verifier.id.hex(),
            algorithm="ed25519",
            valid_from=key.valid_from,
            valid_until=key.valid_until,
        )
        for key in keys.keys
    ]
    return LedgerKeysOut(data=shown)


async def _with_head(
    request: Request, log_id: str, work: Callable[[Unit, LedgerLog, Signed], Done]
) -> Done:
    """Sign the current head of a log in a thread, and work in the same transaction."""
    context = context_of(request)
    tenant = principal_of(request).tenant_id
    where = (context.settings, context.database, tenant, log_id)

    def signed() -> Done:
        with signing(partial(unit_for, request, writes=False), *where) as found:
            return work(*found)

    return await context.pools.readers.run(signed, tenant=tenant)


def _inclusion(unit: Unit, log: LedgerLog, index: int, size: int) -> ProofOut:
    hashes = service.inclusion(unit, log, index, size)
    (leaf,) = service.hashes_of(unit, log.id, [Node(0, index)]).values()
    shown = {"type": "inclusion", "index": index, "leaf_hash": text_of(leaf), "from": None}
    return _proof(unit, log, size, hashes, {**shown, "from_root": None})


def _consistency(unit: Unit, log: LedgerLog, old: int, to: int | None) -> ProofOut:
    size = log.size if to is None else to
    hashes = service.consistency(unit, log, old, size)
    root = text_of(service.head(unit, log, old).root)
    shown = {"type": "consistency", "index": None, "leaf_hash": None, "from": old}
    return _proof(unit, log, size, hashes, {**shown, "from_root": root})


def _proof(
    unit: Unit, log: LedgerLog, size: int, hashes: list[bytes], shown: dict[str, Any]
) -> ProofOut:
    root = text_of(service.head(unit, log, size).root)
    proof = [text_of(one) for one in hashes]
    return ProofOut.model_validate({**shown, "size": size, "root": root, "hashes": proof})
