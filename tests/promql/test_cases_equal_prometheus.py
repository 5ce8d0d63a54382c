"""Our own cases hold on a real Prometheus 2.53, too: what they expect is not our invention.

`cases/today/` and `families/` itself are left out: there Prometheus has changed since 2.53. Each
state of a script's data is written some days after the one before, and its queries run there; those
whose value depends on the time itself are only asked in the first state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from novaql.language import format_expr, parse
from novaql.language.ast import At, Expr, Subquery, VectorSelector
from novaql.model.label_set import Labels
from novaql.model.stored_hints import Stored
from novaql.promqltest.comparison import differences
from novaql.promqltest.outcome import Outcome, Sample
from novaql.promqltest.runner import cases
from novaql.promqltest.script import Eval, Script
from novaql.promqltest.script_parser import read_script
from novaql.promqltest.step_invariance import can_be_pinned
from novaql.promqltest.storage import Storage
from novaql.result import ResultKind
from tests.support.generators.rewriting import rewrite
from tests.support.messages.remote_write_messages import Series
from tests.support.programs.prometheus_server import (
    PrometheusServer,
    QueryRefused,
    running_prometheus,
)
from tests.support.programs.query_answers import answer_of_prometheus

HERE = Path(__file__).parent
CASES = sorted([*(HERE / "cases").glob("*.test"), *(HERE / "families" / "both").glob("*.test")])
SHIFT_MS = 10 * 86_400_000


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_expectations_hold_on_prometheus(path: Path, tmp_path: Path) -> None:
    script = read_script(path)
    with running_prometheus(tmp_path) as server:
        compared = 0
        for case, shift_ms in _loaded(server, script):
            if shift_ms and not can_be_pinned(parse(case.query)):
                continue
            compared += 1
            wrong = _differences(server, case, shift_ms)
            assert not wrong, f"{path.name}:{case.line}: {case.title}\n" + "\n".join(wrong)
        assert compared > 0


def test_most_cases_can_be_compared() -> None:
    evals = [case for path in CASES for case, _ in cases(read_script(path))]

    assert len(evals) > 200


def _loaded(server: PrometheusServer, script: Script) -> Iterator[tuple[Eval, int]]:
    """Every eval and how far its data, now in the server, has been shifted."""
    states: list[Storage] = []
    for case, storage in cases(script):
        if not any(storage is state for state in states):
            states.append(storage)
            shift_ms = (len(states) - 1) * SHIFT_MS
            server.write([_moved(*one, shift_ms) for one in storage.samples.items()])
        yield case, (len(states) - 1) * SHIFT_MS


def _moved(labels: Labels, samples: Mapping[int, Stored], shift_ms: int) -> Series:
    floats = [(time + shift_ms, v) for time, v in samples.items() if isinstance(v, float)]
    return dict(labels), floats


def _differences(server: PrometheusServer, case: Eval, shift_ms: int) -> list[str]:
    query = format_expr(_shifted(parse(case.query), shift_ms)) if shift_ms else case.query
    try:
        if case.instant:
            data = server.instant(query, case.start_ms + shift_ms)
        else:
            data = server.range(
                query, case.start_ms + shift_ms, case.end_ms + shift_ms, case.step_ms
            )
    except QueryRefused as refusal:
        return [] if case.expected.failure is not None else [f"+ failure: {refusal}"]
    if case.expected.failure is not None:
        return ["- a failure", "+ a result"]
    series: dict[Labels, dict[int, Sample]] = {
        labels: {time - shift_ms: value for time, value in points.items()}
        for labels, points in answer_of_prometheus(data).items()
    }
    # Prometheus 2.53 sorts no instant result but topk's in the API; values are what counts here.
    unordered = replace(case, expected=replace(case.expected, ordered=False))
    return differences(unordered, Outcome(ResultKind(data["resultType"]), series))


def _shifted(expr: Expr, shift_ms: int) -> Expr:
    def change(node: Expr) -> Expr:
        if isinstance(node, VectorSelector | Subquery) and node.at is not None:
            when = node.at.when
            if isinstance(when, int):
                return replace(node, at=At(when + shift_ms))
        return node

    return rewrite(expr, change)
