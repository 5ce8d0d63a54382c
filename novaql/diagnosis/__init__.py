"""Why a query has no result: the part of it that has no data, and names that have.

from novaql import why_empty
print(why_empty('rate(http_request_total{job="apj"}[5m])', "novaql-data"))
"""

from __future__ import annotations

from novaql.diagnosis.cause import Cause, Reason, WhyEmpty
from novaql.diagnosis.hints import label_hint, selector_hints, with_hints
from novaql.diagnosis.search import explain_empty

__all__ = [
    "Cause",
    "Reason",
    "WhyEmpty",
    "explain_empty",
    "label_hint",
    "selector_hints",
    "with_hints",
]
