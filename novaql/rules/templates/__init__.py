"""The part of Go's text/template that Prometheus's rules use: a small language of its own.

A template sees the labels and the value it is given and the functions of `functions.py`, and
nothing else; steps, depth and output are bounded. `alerts.py` is the entry point.
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
