"""What our scripts of families expect is also what the reference evaluator finds.

Left out are evals of what it does not know (see its README), and refusals that hang on all steps
together.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from novaql.language import parse
from novaql.language.ast import Aggregate, Call, Expr, MatrixSelector
from novaql.language.visit import walk
from novaql.model.stored_hints import Stored
from novaql.promqltest.comparison import differences
from novaql.promqltest.outcome import Outcome
from novaql.promqltest.runner import cases
from novaql.promqltest.script import Eval
from novaql.promqltest.script_parser import read_script
from novaql.promqltest.storage import Storage
from novaql.result import ResultKind
from tests.support.reference.evaluator import Reference
from tests.support.reference.values import RefusedError, Series, UnsureError

FAMILIES = sorted((Path(__file__).parent / "families").glob("**/*.test"))
WITH_STARTS = "start_timestamps_by_default"
UNKNOWN = {"info", "start_timestamp", "max_of", "min_of", "limitk", "limit_ratio"}


def test_there_are_forty() -> None:
    assert len(FAMILIES) >= 40


@pytest.mark.parametrize(
    "path", [p for p in FAMILIES if p.stem != WITH_STARTS], ids=lambda path: path.stem
)
def test_family(path: Path) -> None:
    wrong = []
    for case, storage in cases(read_script(path)):
        expr = parse(case.query)
        if isinstance(expr, MatrixSelector) or not _known(expr) or _by_steps_together(case):
            continue
        try:
            found = _differences(case, expr, storage)
        except UnsureError:
            continue
        if found:
            wrong.append("\n".join([f"{case.line}: {case.title}", *found]))
    assert not wrong, "\n".join(wrong)


def _known(expr: Expr) -> bool:
    for node in walk(expr):
        name = node.function if isinstance(node, Call) else ""
        name = node.op if isinstance(node, Aggregate) else name
        if name in UNKNOWN:
            return False
    return True


def _by_steps_together(case: Eval) -> bool:
    return case.expected.failure is not None and not case.instant


def _differences(case: Eval, expr: Expr, storage: Storage) -> list[str]:
    data = [Series(dict(labels), _samples(of)) for labels, of in storage.samples.items()]
    reference = Reference(data, case.start_ms, case.end_ms, case.step_ms)
    try:
        answer = reference.answer(expr)
    except RefusedError as refusal:
        return [] if case.expected.failure is not None else [f"+ failure: {refusal}"]
    if case.expected.failure is not None:
        return ["- a failure", "+ a result"]
    kind = ResultKind.VECTOR if case.instant else ResultKind.MATRIX
    unordered = replace(case, expected=replace(case.expected, ordered=False))
    return differences(unordered, Outcome(kind, dict(sorted(answer.items()))))


def _samples(stored: dict[int, Stored]) -> list[tuple[int, Stored]]:
    return sorted(stored.items(), key=lambda sample: sample[0])
