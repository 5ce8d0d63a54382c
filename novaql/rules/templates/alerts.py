"""Templates of alerting rules: the names that they may use, and their results."""

from __future__ import annotations

from collections.abc import Mapping

from novaql.model.float_histogram import FloatHistogram
from novaql.rules.templates.functions import FUNCTION_NAMES, Query, functions_for
from novaql.rules.templates.nodes import Template
from novaql.rules.templates.parser import parse_template
from novaql.rules.templates.problems import TemplateFailure, TemplateProblem, cut
from novaql.rules.templates.run import run_template
from novaql.rules.templates.values import LabelMap, Record
from novaql.rules.templates.work import TemplateWork
from novaql.text.unicode import valid_text
from novaql.tsdb.runtime.lru_cache import ByteCache

_VARIABLES = {
    "$labels": "Labels",
    "$externalLabels": "ExternalLabels",
    "$externalURL": "ExternalURL",
    "$value": "Value",
}


_BYTES_PER_CHARACTER = 60
"""About the size of a tree of many short actions, for each character of its text."""
_TREES: ByteCache[tuple[Template, str]] = ByteCache(
    32 << 20, lambda entry: 1000 + _BYTES_PER_CHARACTER * len(entry[1])
)


def parse_alert_template(text: str) -> Template:
    """The tree of a template of an alerting rule. Raises `TemplateProblem`."""
    entry = _TREES.get(text)
    if entry is None:
        entry = parse_template(text, FUNCTION_NAMES, tuple(_VARIABLES)), text
        _TREES.put(text, entry)
    return entry[0]


def expand_alert_template(
    text: str,
    labels: Mapping[str, str],
    value: float | FloatHistogram,
    *,
    query: Query,
    time_ms: int,
    external_labels: Mapping[str, str],
    external_url: str,
    work: TemplateWork | None = None,
) -> str:
    """The result of the template for one element of an alert's expression.

    A template that fails results in a text that states the failure, as in Prometheus: an alert
    with a broken description is better than none.

    work  of the evaluation that this expansion belongs to; it raises `QueryTimeout`,
          `QueryCancelled` and `EvaluationError`
    """
    if "{{" not in text:
        return text
    fields = {
        "Labels": LabelMap(labels),
        "ExternalLabels": LabelMap(external_labels),
        "ExternalURL": external_url,
        "Value": value,
    }
    work = work or TemplateWork()
    functions = functions_for(query, time_ms, external_url, work)
    variables = {name: fields[field] for name, field in _VARIABLES.items()}
    try:
        data = Record("alertTemplateData", fields)
        given = run_template(parse_alert_template(text), data, functions, variables, work)
    except (TemplateFailure, TemplateProblem) as failure:
        given = f"<error expanding template: {cut(str(failure), 1000)}>"
    given = valid_text(given)
    work.gave(given)
    return given
