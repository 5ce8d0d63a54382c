"""Relabelling, rule by rule, and together against a real Prometheus."""

from __future__ import annotations

import hashlib

import pytest

from novaql.inputs.relabelling import Action, RelabelRule, relabelled

A = {"a": "foo", "b": "bar", "c": "baz"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([RelabelRule(source_labels=("a",), regex="f(.*)", target_label="d",
                      replacement="ch${1}-ch${1}")], {**A, "d": "choo-choo"}),
        ([RelabelRule(source_labels=("a", "b"), regex="f(.*);(.*)r", target_label="a",
                      replacement="b${1}${2}m")], {**A, "a": "boobam"}),
        ([RelabelRule(Action.DROP, ("a",), regex=".*o.*")], None),
        ([RelabelRule(Action.DROP, ("a",), regex="no")], A),
        ([RelabelRule(Action.KEEP, ("a",), regex="no")], None),
        ([RelabelRule(Action.KEEP, ("a",), regex="f|foo")], A),
        ([RelabelRule(source_labels=("a",), regex="f(o", target_label="x", replacement="")], None),
        ([RelabelRule(Action.LABELMAP, regex="(b.*)", replacement="bar_${1}")],
         {**A, "bar_b": "bar"}),
        ([RelabelRule(Action.LABELDROP, regex="(a|b)")], {"c": "baz"}),
        ([RelabelRule(Action.LABELKEEP, regex="(a|b)")], {"a": "foo", "b": "bar"}),
        ([RelabelRule(Action.UPPERCASE, ("a",), target_label="up")], {**A, "up": "FOO"}),
        ([RelabelRule(Action.LOWERCASE, ("a", "b"), target_label="a")], {**A, "a": "foo;bar"}),
        ([RelabelRule(source_labels=("a",), target_label="a", replacement="")],
         {"b": "bar", "c": "baz"}),
        ([RelabelRule(source_labels=("a",), regex="x", target_label="d", replacement="y")], A),
        ([RelabelRule(source_labels=("a",), target_label="${1}", replacement="$0$$ $")],
         {**A, "foo": "foo$ $"}),
        ([RelabelRule(target_label="d", replacement="$1x and $name")], {**A, "d": " and "}),
        ([RelabelRule(source_labels=("a",), regex="(?P<n>f)oo", target_label="d",
                      replacement="$n-${n}")], {**A, "d": "f-f"}),
        ([RelabelRule(Action.KEEP_EQUAL, ("a",), target_label="b")], None),
        ([RelabelRule(Action.DROP_EQUAL, ("a",), target_label="b")], A),
        ([RelabelRule(Action.DROP_EQUAL, ("a",), target_label="a")], None),
        ([RelabelRule(source_labels=("a",), regex=".", target_label="x", replacement="1"),
          RelabelRule(Action.LABELDROP, regex="a")], {"b": "bar", "c": "baz"}),
    ],
)  # fmt: skip
def test_rules(rules: list[RelabelRule], expected: dict[str, str] | None) -> None:
    if rules[0].regex == "f(o":
        with pytest.raises(ValueError, match="missing"):
            relabelled(A, rules)
        return
    assert relabelled(A, rules) == expected


def test_hashmod_is_prometheus_s() -> None:
    rule = RelabelRule(Action.HASHMOD, ("c",), target_label="d", separator=";", modulus=1000)

    # From the test suite of Prometheus: "baz" falls into 976.
    assert relabelled(A, [rule]) == {**A, "d": "976"}
    digest = hashlib.md5(b"baz").digest()
    assert int.from_bytes(digest[8:], "big") % 1000 == 976
