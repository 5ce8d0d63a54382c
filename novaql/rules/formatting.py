"""Rule files in canonical form: expressions are rewritten in place, and no other text changes."""

from __future__ import annotations

import re

from novaql.language import format_expr, parse
from novaql.rules.names import Names
from novaql.rules.reading import read_rules
from novaql.rules.yaml_nodes import Mapping, Node, Scalar, Sequence, YamlText

_PLAIN = re.compile(r"[A-Za-z_(0-9](?:[^:#\n]|:(?=\S)|(?<=\S)#)*")
_NOT_PLAIN = re.compile(r"[-+.0-9_]+|true|false|null|yes|no|on|off|y|n|0x[0-9a-f]+", re.I)
_FLOW = set("[]{},")
WIDTH = 88
"""Longest line of an expression that can be broken."""


def format_rules(text: str, file: str) -> str:
    """The text with every `expr` in canonical form.

    Layout, comments and order of the YAML do not change. Neither does an expression that contains
    comments, since they would be lost. Raises `FileProblems` if the text is not a rule file.
    """
    read_rules(text, file, names=Names.UTF8)
    source = YamlText(text, file)
    root = source.first_document()
    changes: dict[int, tuple[int, str]] = {}
    for node, indent, inside_flow in _expressions(root):
        canonical = _written(node, indent, inside_flow=inside_flow)
        start, end = source.position(node.start_mark), source.position(node.end_mark)
        if canonical is not None:
            if node.style in ("|", ">"):
                # A block ends at the next token; the blank lines before it remain.
                body = text[start:end]
                canonical += body[len(body.rstrip()) :] or "\n"
            changes[start] = end, canonical
    out: list[str] = []
    at = 0
    for start, (end, canonical) in sorted(changes.items()):
        out += [text[at:start], canonical]
        at = end
    return "".join(out) + text[at:]


def _expressions(root: Node | None) -> list[tuple[Scalar, int, bool]]:
    """`expr` of every rule, its indentation, and whether it is between braces."""
    found: list[tuple[Scalar, int, bool]] = []
    for group in _items(_field(root, "groups")):
        for rule in _items(_field(group, "rules")):
            node = _field(rule, "expr")
            if isinstance(node, Scalar):
                found.append((node, rule.start_mark.column, _in_braces(rule)))
    return found


def _written(node: Scalar, indent: int, *, inside_flow: bool) -> str | None:
    """The expression as YAML; None: it does not change."""
    value = node.value
    if "#" in value and _has_comment(value):
        return None
    canonical = format_expr(parse(value), width=None if inside_flow else WIDTH)
    if canonical == value.strip():
        return None
    if "\n" in canonical:
        pad = " " * (indent + 2)
        return "|-\n" + "\n".join(pad + line for line in canonical.split("\n"))
    plain = (
        _PLAIN.fullmatch(canonical)
        and not _NOT_PLAIN.fullmatch(canonical)
        and not (inside_flow and set(canonical) & _FLOW)
    )
    if plain and node.style not in ("'", '"'):
        return canonical
    return "'" + canonical.replace("'", "''") + "'"


def _has_comment(expr: str) -> bool:
    """Whether there is a # outside of quotes."""
    bare = re.sub(r'"(?:[^"\\]++|\\.)*+"|\'(?:[^\'\\]++|\\.)*+\'|`[^`]*`', "", expr)
    return "#" in bare


def _field(node: Node | None, name: str) -> Node | None:
    if not isinstance(node, Mapping):
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _in_braces(node: Node) -> bool:
    return isinstance(node, Mapping) and bool(node.flow_style)


def _items(node: Node | None) -> list[Node]:
    return list(node.value) if isinstance(node, Sequence) else []
