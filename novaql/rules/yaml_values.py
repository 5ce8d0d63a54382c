"""`read_yaml`: a YAML text as plain values, bounded before they are created, with each key once."""

from __future__ import annotations

from typing import Any

import yaml

from novaql.rules.yaml_bounds import YamlProblem, check_bounds, loader_of, problem_at

_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(text: str) -> Any:
    """The value of a text with one document, None for an empty one. Raises `YamlProblem`."""
    found = read_yaml_documents(text)
    if len(found) > 1:
        raise YamlProblem("not YAML: there is more than one document")
    return found[0] if found else None


def read_yaml_documents(text: str) -> list[Any]:
    """The value of each document. Raises `YamlProblem` for a text that is not YAML, for a key that
    a mapping has twice, and for a text above the bounds of `yaml_bounds`."""
    check_bounds(text)
    documents = []
    with loader_of(text) as loader:
        while loader.check_node():
            node = loader.get_node()
            _need_single_keys(node)
            documents.append(_constructed(loader, node))
    return documents


def _constructed(loader: Any, node: yaml.Node) -> Any:
    try:
        return loader.construct_document(node)
    except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as problem:
        # 2026-13-01 is not a date, and PyYAML converts `!!bool x` by a look-up.
        raise problem_at(node, f"a value is none of its kind: {problem}") from None


def _need_single_keys(root: yaml.Node) -> None:
    """`<<` may add keys that exist already; PyYAML uses the last of equal keys without an error."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            names: set[tuple[str, str]] = set()
            for key, value in node.value:
                waiting += (key, value)
                if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                    continue
                name = (key.tag, key.value)
                if name in names:
                    raise problem_at(key, f"the key {key.value[:40]!r} is given twice")
                names.add(name)
