"""Assertions on the answer of a check. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

import orjson
import re2

from novaql.fast_dataclass import dataclass
from novaql.server.probes.json_path import MISSING, InvalidPath, parse, value_at
from novaql.server.probes.masking import masked
from novaql.server.probes.result import AssertionResult
from novaql.server.probes.spec import Assertion

_SHOWN = 120
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Answer:
    """What assertions are about.

    headers   by name in lower case
    latency_s of the whole attempt
    certificate_left_s   seconds until the certificate expires; None: no TLS
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    latency_s: float = 0.0
    certificate_left_s: float | None = None
    addresses: Sequence[str] = ()


def check(assertion: Assertion) -> None:
    """Raise `ValueError` for a pattern or a path that cannot be used."""
    if assertion.path is not None:
        parse(assertion.path)
    if assertion.op in ("matches", "not_matches"):
        compiled(str(assertion.value))


def compiled(pattern: str) -> Any:
    """Return a compiled regular expression: RE2, in linear time. Raises `ValueError`."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as problem:
        text = problem.args[0] if problem.args else b""
        why = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        raise ValueError(f"invalid regular expression: {why}") from None


def evaluate(
    assertions: Sequence[Assertion], answer: Answer, secrets: Iterable[str] = ()
) -> list[AssertionResult]:
    """Evaluate every assertion. Without one about the status, the status has to be 2xx.

    secrets  are masked in details, before a long text is cut
    """
    known = list(secrets)
    results = [_evaluated(one, answer, known) for one in assertions]
    if answer.status is not None and all(one.source != "status" for one in assertions):
        fine = 200 <= answer.status < 300
        condition = "" if fine else f"the status is {answer.status}, not 2xx"
        results.insert(0, AssertionResult(source="status", ok=fine, detail=condition))
    return results


def _evaluated(assertion: Assertion, answer: Answer, secrets: Sequence[str]) -> AssertionResult:
    found = _value(assertion, answer)
    ok = found is not MISSING and _holds(assertion, found)
    detail = "" if ok else _because(assertion, masked(found, secrets), secrets)
    return AssertionResult(source=assertion.source, ok=ok, detail=detail[:500])


def _value(assertion: Assertion, answer: Answer) -> Any:
    match assertion.source:
        case "status":
            return MISSING if answer.status is None else answer.status
        case "body":
            return answer.body.decode("utf-8", "replace")
        case "header":
            return answer.headers.get((assertion.name or "").lower(), MISSING)
        case "latency":
            return answer.latency_s * 1000
        case "certificate":
            left = answer.certificate_left_s
            return MISSING if left is None else left / _DAY_S
        case "dns":
            return list(answer.addresses)
        case "json":
            try:
                return value_at(orjson.loads(answer.body), parse(assertion.path or "$"))
            except (orjson.JSONDecodeError, InvalidPath):
                return MISSING
    raise AssertionError(assertion.source)


def _holds(assertion: Assertion, found: Any) -> bool:
    wanted, op = assertion.value, assertion.op
    if op == "exists":
        return True
    if op in ("less_than", "greater_than"):
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        assert isinstance(wanted, int | float)
        return bool(found < wanted if op == "less_than" else found > wanted)
    if assertion.source == "dns":
        inside = wanted in found
        return bool({"equals": found == [wanted], "contains": inside}.get(op, not inside))
    if op in ("equals", "not_equals"):
        return _equal(found, wanted) == (op == "equals")
    text = found if isinstance(found, str) else orjson.dumps(found).decode()
    assert isinstance(wanted, str)
    if op in ("contains", "not_contains"):
        return (wanted in text) == (op == "contains")
    return (compiled(wanted).search(text) is not None) == (op == "matches")


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def _because(assertion: Assertion, found: Any, secrets: Sequence[str]) -> str:
    subject = assertion.name or assertion.path or assertion.source
    value = masked(assertion.value, secrets)
    condition = f"{assertion.op} {value!r}" if value is not None else "exists"
    if found is MISSING:
        return f"{subject}: there is none; expected: {condition}"
    if assertion.source == "body":
        return f"the body does not satisfy: {condition}"
    if isinstance(found, float):
        found = round(found, 3)
    return f"{subject} is {str(found)[:_SHOWN]!r}; expected: {condition}"
