"""What templates may work: bytes, time, and an end from outside."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from novaql import Cancellation
from novaql.errors import EvaluationError, QueryCancelled, QueryTimeout
from novaql.rules.evaluation.alerting import AlertState
from novaql.rules.evaluation.context import RuleContext
from novaql.rules.evaluation.vector import Vector
from novaql.rules.model import AlertingRule, Group
from novaql.rules.templates import TemplateWork, expand_alert_template
from novaql.rules.templates import work as bounds
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Source

MEGABYTE = '{{ $x := printf "%010000d" 0 }}{{ range 6 }}{{ $x = print $x $x }}{{ end }}'
"""$x is a text of 640 000 zeros."""

HEAVY = {
    "replacing": MEGABYTE + '{{ range 30000 }}{{ $y := reReplaceAll "0" "1" $x }}{{ end }}',
    "replacing nothing": MEGABYTE + '{{ range 30000 }}{{ $y := reReplaceAll "2" "1" $x }}{{ end }}',
    "groups": MEGABYTE + '{{ reReplaceAll "0+" "' + "$0" * 1300 + '" (slice $x 0 300000) }}',
    "empty groups": MEGABYTE + '{{ reReplaceAll "0()" "' + "$1" * 2000 + '" (slice $x 0 99999) }}',
    "matching": MEGABYTE + '{{ match "((((0{1,30}){1,30})x?)*)y" $x }}',
    "title": MEGABYTE + "{{ range 30000 }}{{ $y := title $x }}{{ end }}",
    "letters": MEGABYTE + "{{ range 30000 }}{{ $y := toUpper $x }}{{ end }}",
    "length": MEGABYTE + "{{ range 30000 }}{{ $y := len $x }}{{ end }}",
    "index": MEGABYTE + "{{ range 30000 }}{{ $y := index $x 5 }}{{ end }}",
    "links": MEGABYTE + "{{ range 30000 }}{{ $y := graphLink $x }}{{ end }}",
    "number": MEGABYTE + "{{ range 30000 }}{{ $y := humanize $x }}{{ end }}",
    "arguments": MEGABYTE + "{{ print " + "$x " * 2000 + "}}",
    "extra arguments": MEGABYTE + '{{ printf "" ' + "$x " * 2000 + "}}",
    "widths": '{{ printf "' + "%10000d" * 1200 + '" ' + "1 " * 1200 + "}}",
    "width": '{{ printf "%1000000000d" 1 }}',
    "collections": MEGABYTE
    + "{{ $a := args $x $x }}{{ range 40 }}{{ $a = args $a $a }}{{ end }}{{ $a }}",
    "deep": "{{ $a := args 1 }}{{ range 20000 }}{{ $a = args $a }}{{ end }}{{ $a }}",
    "variables": "{{ $x := 1 }}" * 700 + "{{ range 90000 }}{{ $x = 1 }}{{ end }}",
    "query": "{{ range 100 }}{{ $r := query `x` }}{{ end }}",
}


def expanded(text: str, work: TemplateWork | None = None) -> str:
    return expand_alert_template(
        text,
        {"job": "api"},
        1.0,
        query=lambda _: (({"job": "api"}, 1.0) for _ in range(1_000_000)),
        time_ms=0,
        external_labels={},
        external_url="",
        work=work,
    )


@pytest.mark.parametrize("name", HEAVY)
def test_too_much_work_is_a_failure_within_bounded_memory(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    given = expanded(HEAVY[name])

    assert given.startswith("<error expanding template: ")
    assert len(given) < 1100
    if sys.platform == "linux":
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 300 << 10, f"{grown >> 10} MiB"


def test_a_long_text_is_within_the_bounds() -> None:
    assert expanded(MEGABYTE + "{{ len $x }}") == "640000"


def test_what_rules_do_is_far_from_the_bounds() -> None:
    assert expanded('{{ range 200 }}{{ reReplaceAll "a(.*)" "$1" "abc" }}{{ end }}') == "bc" * 200


class AfterAWhile(Cancellation):
    """Cancelled when it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def cancelled(self) -> bool:
        self.looks -= 1
        return self.looks < 0


LONG = "{{ range 90000 }}{{ end }}"


def test_a_cancellation_ends_a_template() -> None:
    with pytest.raises(QueryCancelled):
        expanded(LONG, TemplateWork(None, AfterAWhile(5)))
    with pytest.raises(QueryCancelled):
        expanded(HEAVY["replacing"], TemplateWork(None, AfterAWhile(20)))


@pytest.mark.parametrize("call", ['match "a" "b"', 'reReplaceAll "a" "" "b"'])
def test_every_search_looks_for_the_end(call: str) -> None:
    """A search over a short text can take a third of a second."""
    with pytest.raises(QueryCancelled):
        expanded(
            f"{{{{ range 10 }}}}{{{{ {call} }}}}{{{{ end }}}}", TemplateWork(None, AfterAWhile(5))
        )


def test_a_deadline_ends_a_template() -> None:
    with pytest.raises(QueryTimeout, match="longer than 1e-09 s"):
        expanded(LONG, TemplateWork(1e-9))


def state(**texts: dict[str, str]) -> AlertState:
    rule = AlertingRule("A", "x", 0, 0, texts.get("labels", {}), texts.get("annotations", {}))
    return AlertState(rule, Group("g", (rule,), 60_000, 0, 0))


def vector(rows: int) -> Vector:
    series = SeriesTable.from_dicts([{"i": str(i)} for i in range(rows)])
    return Vector(series, np.ones(rows))


Context = Callable[..., RuleContext]


class NoStore:
    """Templates without `query` need none."""

    def source(self) -> Source:
        raise AssertionError

    def write(self, batch: Batch) -> None:  # noqa: ARG002 - a protocol
        raise AssertionError


@pytest.fixture
def context() -> Context:
    return partial(RuleContext, NoStore())


def test_a_rule_whose_annotations_take_too_long_fires_without_them(context: Context) -> None:
    rule = state(annotations={"summary": LONG})

    found = rule.labelled(vector(3), 0, context(timeout_s=1e-9))

    texts = [alert.annotations["summary"] for alert in found.values()]
    assert texts == ["<error expanding template: templates took longer than 1e-09 s>"] * 3


def test_a_rule_whose_labels_take_too_long_fails(context: Context) -> None:
    with pytest.raises(QueryTimeout):
        state(labels={"a": LONG}).labelled(vector(3), 0, context(timeout_s=1e-9))


def test_a_rule_is_cancelled_between_its_elements(context: Context) -> None:
    rule = state(annotations={"summary": "{{ $value }}"})
    with pytest.raises(QueryCancelled):
        rule.labelled(vector(100), 0, context(cancellation=AfterAWhile(10)))


def test_the_text_of_all_elements_is_bounded(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_TEXT", 100_000)
    rule = state(annotations={"summary": '{{ printf "%9000d" 1 }}'})

    assert len(rule.labelled(vector(11), 0, context())) == 11
    with pytest.raises(EvaluationError, match="in one evaluation"):
        rule.labelled(vector(12), 0, context())
