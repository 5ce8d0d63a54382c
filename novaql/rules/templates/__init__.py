"""The part of Go's text/template that Prometheus's rules use: a small language.

A template can read only the labels and the value that it is given, and call only the functions of
`functions.py`; steps, depth and output are bounded. `alerts.py` is the entry point.
"""

from __future__ import annotations

from novaql.rules.templates.alerts import expand_alert_template, parse_alert_template
from novaql.rules.templates.problems import TemplateFailure, TemplateProblem
from novaql.rules.templates.work import TemplateWork

__all__ = [
    "TemplateFailure",
    "TemplateProblem",
    "TemplateWork",
    "expand_alert_template",
    "parse_alert_template",
]
