"""What the manifest of a store looks like, and that its fields come back."""

from __future__ import annotations

import json
from pathlib import Path

from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.directory import manifest as manifests
from novaql.tsdb.directory.manifest import Manifest
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.parts.tombstones import Deletion, Tombstone


def tombstone(start_ms: int) -> Tombstone:
    matcher = Matcher("job", MatchOp.NOT_REGEX, 'é"\n\ud800')
    return Tombstone(Deletion(((matcher,),), start_ms, 2**62), frozenset({"b", "a"}), 3)


FULL = Manifest(
    b"0123456789abcdef",
    log_start=2,
    next_block=3,
    blocks=(
        BlockEntry("a", "00", 1, -5, 5, 1, 2, 100),
        BlockEntry("b", "01", 2, 0, 9, 3, 4, 200, level=2, downsampled_ms=300_000),
    ),
    metadata={"up": Metadata("gauge", "help\ntext", "s"), "é": Metadata()},
    tombstones=(tombstone(-(2**62)), tombstone(7)),
    log_end=4,
    generation=9,
    segments={2: 40, 3: 0},
    lost=(("wal/1", "record 1", "checksum differs"),),
)


def test_what_is_written_is_read() -> None:
    for manifest in (FULL, Manifest(b"0123456789abcdef")):
        assert manifests.decode(manifests.encode(manifest), Path("MANIFEST")) == manifest


def test_the_body_is_json_with_a_line_for_each_tombstone() -> None:
    """Programs of this format have always read any JSON, however it is broken into lines."""
    body = manifests.encode(FULL).partition(b"\n")[2]

    fields = json.loads(body)
    assert fields["tombstones"][1] == {
        "matchers": [[["job", "!~", 'é"\n\ud800']]],
        "start_ms": 7,
        "end_ms": 2**62,
        "blocks": ["a", "b"],
        "log_before": 3,
    }
    assert fields["blocks"][0]["identity"] == "00"
    lines = body.split(b"\n")
    assert [json.loads(lines[at].rstrip(b",")) for at in (-3, -2)] == fields["tombstones"]
    assert len(lines) > 30


def test_a_tombstone_is_encoded_once() -> None:
    """A deletion writes the manifest with all earlier ones."""
    (first, _) = FULL.tombstones
    assert first.encoded is first.encoded
