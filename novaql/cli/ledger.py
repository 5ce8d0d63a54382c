"""`novaql ledger`: verify exported logs of agents, without the server."""

from __future__ import annotations

from pathlib import Path

import click

from novaql.cli.failures import note
from novaql.ledger.entry_proof import verify_entry_proof
from novaql.ledger.notes import Checkpoint, VerifierKey
from novaql.ledger.verify import verify_export

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_KEYS = click.option(
    "--key",
    "vkeys",
    metavar="VKEY",
    multiple=True,
    required=True,
    help="A public key that you trust (`NAME+ID+BASE64`); repeat it for keys before a rotation.",
)


_ORIGIN = click.option(
    "--origin",
    metavar="ORIGIN",
    help="The log that it must be (`NAME/AGENT`, as in its checkpoints); another one is an error.",
)


@click.group("ledger")
def command() -> None:
    """Verify the logs of agents. Works offline, on an export."""


@command.command("verify", short_help="Verify the exported log of an agent.")
@click.argument("export", type=_FILE)
@_KEYS
@click.option(
    "--checkpoint",
    metavar="LAST",
    type=_FILE,
    help="A file with the last checkpoint that you saved. Detects removed and rewritten entries.",
)
@_ORIGIN
def verify(
    export: Path, vkeys: tuple[str, ...], checkpoint: Path | None, origin: str | None
) -> None:
    """Verify an export of an agent's log: every entry, its order, and the signed checkpoint.

    The first fault is an error (exit code 1) that names the first bad entry, if it can be known.
    The export must have a signature of the first key; further keys are for an older checkpoint.
    Save each checkpoint that you get, and pass the last one: without it, the command cannot detect
    that the newest entries were removed, or that the whole log was rewritten. One key signs the
    logs of all agents: --origin, or --checkpoint, refuses the log of another agent.

    \b
    novaql ledger verify export.jsonl --key 'novaql-…+1a2b3c4d+AQ…' --checkpoint last.checkpoint
    """
    keys = [VerifierKey.parse(text) for text in vkeys]
    saved = None
    if checkpoint is not None:
        saved = Checkpoint.parse(checkpoint.read_text(encoding="utf-8", errors="replace"))
    with export.open("rb") as lines:
        found = verify_export(lines, keys, saved, wanted=origin)
    head = found.checkpoint
    click.echo(
        f"ok: {head.size} entries of {head.origin}, signed by {found.key.name} at {head.time}"
    )
    if found.saved is None:
        note(
            "warning",
            "without --checkpoint, truncation cannot be detected: removed newest entries, or a log "
            "that was rewritten as a whole",
        )
    else:
        click.echo(f"ok: it begins with the {found.saved.size} entries of the saved checkpoint")


@command.command("verify-entry", short_help="Verify one entry of a log.")
@click.argument("proof", type=_FILE)
@_KEYS
@_ORIGIN
def verify_entry(proof: Path, vkeys: tuple[str, ...], origin: str | None) -> None:
    """Verify the proof of one entry (`GET /v1/agents/{id}/audit/entry-proof`), and print the entry.

    \b
    novaql ledger verify-entry entry.tlog-proof --key 'novaql-…+1a2b3c4d+AQ…'
    """
    keys = [VerifierKey.parse(text) for text in vkeys]
    found = verify_entry_proof(
        proof.read_text(encoding="utf-8", errors="replace"), keys, wanted=origin
    )
    click.echo(found.leaf.decode(errors="replace"))
    log, size = found.checkpoint.origin, found.checkpoint.size
    note(
        "ok",
        f"entry {found.index} of {log}, which had {size} entries at {found.checkpoint.time}",
    )
