"""Outcomes as JUnit XML, which build servers show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from novaql.rules.unit_tests.run import TestOutcome

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(suites: Mapping[str, Sequence[TestOutcome]], errors: Mapping[str, str]) -> bytes:
    """A suite for each test file; `errors`: file → the reason for which it could not run."""
    root = ElementTree.Element("testsuites")
    for file in dict.fromkeys([*suites, *errors]):
        outcomes = suites.get(file, ())
        failed = sum(bool(outcome.failures) for outcome in outcomes)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=file,
            tests=str(len(outcomes) + (file in errors)),
            failures=str(failed),
            errors=str(int(file in errors)),
            time=_seconds(sum(outcome.seconds for outcome in outcomes)),
        )
        for outcome in outcomes:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                name=_text(outcome.name),
                classname=file,
                time=_seconds(outcome.seconds),
            )
            for failure in outcome.failures:
                first = failure.text.strip().splitlines()[0]
                note = ElementTree.SubElement(case, "failure", message=_text(first))
                note.text = _text(failure.text)
        if file in errors:
            case = ElementTree.SubElement(suite, "testcase", name="reading", classname=file)
            note = ElementTree.SubElement(case, "error", message="the file cannot be run")
            note.text = _text(errors[file])
    ElementTree.indent(root)
    body: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
