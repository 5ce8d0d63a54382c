"""Relabelling, rule by rule, and together against a real Prometheus."""

from __future__ import annotations

import hashlib
import tracemalloc

import hypothesis.strategies as st
import pytest
from hypothesis import given

from novaql.errors import InputError
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.relabelling import Action, RelabelRule, relabelled
from novaql.server.scraping.model import (
    NoTarget,
    ScrapeJob,
    TargetGroup,
    discovered_labels,
    target_of,
)

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
        ([RelabelRule(source_labels=("a",), target_label="d",
                      replacement="$1${01}${" + "9" * 5000 + "}")], {**A, "d": "foo"}),
        ([RelabelRule(Action.KEEPEQUAL, ("a",), target_label="b")], None),
        ([RelabelRule(Action.DROPEQUAL, ("a",), target_label="b")], A),
        ([RelabelRule(Action.DROPEQUAL, ("a",), target_label="a")], None),
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


SMALL = LabelLimits(labels=256, name_bytes=64, value_bytes=256, names=32)
TEN_TIMES = RelabelRule(source_labels=("a",), target_label="a", replacement="$1" * 10)
DOUBLED = [
    RelabelRule(Action.LABELMAP, regex="(.*)", replacement=f"${{1}}x{number}")
    for number in range(30)
]


@pytest.mark.parametrize(
    "rules",
    [
        [TEN_TIMES] * 12,
        [RelabelRule(Action.REPLACE, ("a",) * 1_000_000, target_label="b", separator="ab" * 1000)],
        [RelabelRule(target_label="b", replacement="x" * (1 << 17))],
        [RelabelRule(source_labels=("a",), target_label="${1}" * 1000, replacement="v")],
        DOUBLED,
    ],
    ids=["replacements", "source labels", "a long template", "names", "maps of labels"],
)
def test_rules_that_multiply_are_refused_before_they_do(rules: list[RelabelRule]) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="relabelling: "):
            relabelled(A, rules)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_target_whose_labels_multiply_is_none() -> None:
    group = TargetGroup(targets=("localhost:1",), labels={"a": "foo"})
    job = ScrapeJob(job_name="j", relabel_configs=(TEN_TIMES,) * 3, label_limits=SMALL)
    with pytest.raises(NoTarget, match="more than 256 bytes"):
        target_of(job, discovered_labels(job, group, "localhost:1"))


_NAMES = st.sampled_from(["a", "b", "c", "d", "aa"])
_PIECES = st.lists(
    st.sampled_from(["$1", "${1}", "$0", "$2", "${n}", "$$", "$", "ä", "x", "${", "}"]), max_size=40
).map("".join)


@st.composite
def _rules(draw: st.DrawFn) -> RelabelRule:
    action = draw(st.sampled_from(list(Action)))
    return RelabelRule(
        action,
        tuple(draw(st.lists(_NAMES, max_size=30))),
        draw(st.sampled_from([";", "", "ßß"])),
        draw(st.sampled_from(["(.*)", "(?s)(.*)", "(.)(.*)", "(?P<n>a).*", "a|b", ""])),
        draw(_PIECES) if action is Action.REPLACE else draw(_NAMES),
        draw(_PIECES),
        draw(st.integers(1, 1000)),
    )


@given(
    st.dictionaries(_NAMES, st.text(st.sampled_from("aßIx\n"), max_size=80), max_size=5),
    st.lists(_rules(), max_size=12),
)
def test_what_any_rules_make_is_within_the_limits(
    labels: dict[str, str], rules: list[RelabelRule]
) -> None:
    try:
        made = relabelled(labels, rules, SMALL)
    except InputError:
        return
    if made is None:
        return
    assert len(made) <= SMALL.names
    for name, value in made.items():
        assert value
        assert len(value.encode()) <= SMALL.value_bytes or labels.get(name) == value
        assert len(name.encode()) <= SMALL.name_bytes


def test_an_empty_label_of_a_group_leaves_the_default() -> None:
    group = TargetGroup(targets=("h:1",), labels={"job": "", "__scheme__": "", "dc": "eu"})
    job = ScrapeJob(job_name="j", scheme="https")
    target = target_of(job, discovered_labels(job, group, "h:1"))
    assert target is not None
    assert target.labels == {"job": "j", "instance": "h:1", "dc": "eu"}
    assert target.url == "https://h:1/metrics"
