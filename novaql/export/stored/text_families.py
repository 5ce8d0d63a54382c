"""The metric families of series in the text formats, and the head lines of families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from novaql.fast_dataclass import dataclass
from novaql.text.labels import FAMILY_PARTS, is_plain_metric, text_quoted
from novaql.tsdb.model.source import Metadata

_ONLY_PARTS = ("histogram", "gaugehistogram")  # no metric has the names of these families
_SUFFIX = {"counter": "_total", "info": "_info"}
_TEXT_TYPES = ("counter", "gauge", "histogram", "summary")


@dataclass(frozen=True, slots=True)
class Family:
    """name: as in the head of the family; parts: the metric names in it, in order."""

    name: str
    known: Metadata
    parts: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether several series make one metric, whose samples must be adjacent."""
        return self.known.type in FAMILY_PARTS

    def head(self, *, openmetrics: bool) -> str:
        """The lines before the samples."""
        known, name = (
            self.known,
            self.name if is_plain_metric(self.name) else text_quoted(self.name),
        )
        kind = known.type
        if not openmetrics and kind not in _TEXT_TYPES:
            kind = "untyped"
        lines = [f"# TYPE {name} {kind}\n"]
        if openmetrics and known.unit and self.name.endswith(f"_{known.unit}"):
            lines.append(f"# UNIT {name} {known.unit}\n")
        if known.help:
            escaped = known.help.replace("\\", "\\\\").replace("\n", "\\n")
            if openmetrics:
                escaped = escaped.replace('"', '\\"')
            lines.append(f"# HELP {name} {escaped}\n")
        return "".join(lines)


def families_of(
    names: Sequence[str], metadata: Mapping[str, Metadata], *, openmetrics: bool
) -> list[Family]:
    """Families that have all of the metric names, each once, in order of name.

    A name belongs to a family if that has such parts: `x_bucket` to the histogram `x`. OpenMetrics
    calls the counter `x_total` `x`; a counter of another name has no known type there. A name
    without a known type is a separate family.
    """
    found: dict[str, tuple[Metadata, list[str]]] = {}
    for name in sorted(names, key=str.encode):
        head, known = _family(name, metadata, openmetrics=openmetrics)
        if head != name and head in names and head not in _heads(name, metadata):
            head, known = name, Metadata("unknown", known.help)  # `x` itself has that head
        found.setdefault(head, (known, []))[1].append(name)
    return [Family(head, known, tuple(parts)) for head, (known, parts) in found.items()]


def _heads(name: str, metadata: Mapping[str, Metadata]) -> set[str]:
    """The summary `x` has samples called `x`, beside `x_sum`."""
    bases = {name.removesuffix(part) for part in FAMILY_PARTS["summary"]} - {name}
    return {base for base in bases if base in metadata and metadata[base].type == "summary"}


def _family(
    name: str, metadata: Mapping[str, Metadata], *, openmetrics: bool
) -> tuple[str, Metadata]:
    own = metadata.get(name)
    if own is not None and own.type not in _ONLY_PARTS:
        return _named(name, own, openmetrics=openmetrics)
    for kind, parts in FAMILY_PARTS.items():
        for part in parts:
            base = name.removesuffix(part)
            known = metadata.get(base)
            if base != name and known is not None and known.type == kind:
                return base, known
    for kind, suffix in _SUFFIX.items():
        known = metadata.get(name.removesuffix(suffix))
        if name.endswith(suffix) and known is not None and known.type == kind:
            return _named(name, known, openmetrics=openmetrics)
    return name, Metadata()


def _named(name: str, known: Metadata, *, openmetrics: bool) -> tuple[str, Metadata]:
    suffix = _SUFFIX.get(known.type)
    if suffix is None or not openmetrics:
        return name, known
    if name.endswith(suffix) and name != suffix:
        return name.removesuffix(suffix), known
    return name, Metadata("unknown", known.help)
