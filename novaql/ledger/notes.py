"""Signed checkpoints: C2SP `tlog-checkpoint` in C2SP `signed-note`, with Ed25519.

    novaql-2f1c…/agt_01J…
    42
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
    time 2026-04-01T12:00:00Z

    — novaql-2f1c… Az3grlgtzPICa5OS8npVmf1Myq/5IZni…

The lines are the origin (which log), the size and the root of its tree, the time of the signature,
and after an empty line the signatures, each with the name and the id of its key.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from novaql.errors import NovaqlError
from novaql.export.missing import needs
from novaql.fast_dataclass import dataclass

_ED25519 = b"\x01"
_HASH = 32
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE = "— "
_TIME = "time "


class InvalidNote(NovaqlError, ValueError):
    """The text is not a checkpoint, or not a key."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name: `NAME+KEYID+BASE64`."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that identify the key in signatures."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as text, a *vkey*."""
        return f"{self.name}+{self.id.hex()}+{_base64(_ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey. Raises `InvalidNote`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, data = rest.partition("+")
        raw = _bytes(data)
        if not _NAME.fullmatch(name) or len(raw) != 1 + _HASH or raw[:1] != _ED25519:
            raise InvalidNote("a key is NAME+ID+BASE64 with an Ed25519 key, as /v1/ledger/keys has")
        found = cls(name, raw[1:])
        if found.id.hex() != key_id:
            raise InvalidNote(f"the id of the key {name} is {found.id.hex()}, not {key_id}")
        return found

    def verifies(self, body: str, signature: bytes) -> bool:
        """Whether this key made a signature, which begins with the id of its key."""
        with needs("cryptography", extra="ledger"):
            from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - optional
            from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - optional

        if signature[:4] != self.id:
            return False
        try:
            key = ed25519.Ed25519PublicKey.from_public_bytes(self.public)
            key.verify(signature[4:], body.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint with its signatures.

    body        the signed text, with the newline at its end
    time        RFC 3339; "": the checkpoint has none
    signatures  names of keys, and signatures with the ids of their keys
    """

    origin: str
    size: int
    root: bytes
    time: str
    body: str
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """Read a signed checkpoint. Raises `InvalidNote`."""
        text, separator, signed = note.rpartition("\n\n")
        lines = text.split("\n")
        if not separator or len(lines) < 3 or not all(lines) or not note.endswith("\n"):
            raise InvalidNote("a checkpoint has an origin, a size, a root, and signatures")
        origin, size, root, *more = lines
        raw = _bytes(root)
        if not _SIZE.fullmatch(size) or len(raw) != _HASH:
            raise InvalidNote("a checkpoint has a decimal size and the base64 of a root")
        signatures = []
        for line in signed.removesuffix("\n").split("\n"):
            name, _, data = line.removeprefix(_SIGNATURE).partition(" ")
            signature = _bytes(data)
            if not line.startswith(_SIGNATURE) or not _NAME.fullmatch(name) or len(signature) < 5:
                raise InvalidNote(f"{line[:80]!r} is no signature of a checkpoint")
            signatures.append((name, signature))
        time = next((line.removeprefix(_TIME) for line in more if line.startswith(_TIME)), "")
        return cls(origin, int(size), raw, time, f"{text}\n", tuple(signatures))

    def signer(self, keys: Iterable[VerifierKey]) -> VerifierKey | None:
        """Return the key that signed it. Signatures of other keys are ignored.

        A key only signs logs of its own name: `NAME/LOG`.
        """
        for key in keys:
            if not self.origin.startswith(f"{key.name}/"):
                continue
            for name, signature in self.signatures:
                if name == key.name and key.verifies(self.body, signature):
                    return key
        return None


def checkpoint_body(origin: str, size: int, root: bytes, time: str) -> str:
    """Return the text that a checkpoint's signatures cover."""
    return f"{origin}\n{size}\n{_base64(root)}\n{_TIME}{time}\n"


def signed_note(body: str, name: str, seed: bytes) -> str:
    """Sign a text with the Ed25519 key of a seed of 32 bytes."""
    with needs("cryptography", extra="ledger"):
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - optional

    private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    key = VerifierKey(name, private.public_key().public_bytes_raw())
    return f"{body}\n{_SIGNATURE}{name} {_base64(key.id + private.sign(body.encode()))}\n"


def public_key(seed: bytes) -> bytes:
    """Return the public key of a seed."""
    with needs("cryptography", extra="ledger"):
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - optional

    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    """Decode base64; empty for any other text, and for base64 in another than the canonical
    form."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return raw if _base64(raw) == text else b""
