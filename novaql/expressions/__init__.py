"""Queries as Python expressions: `q.http_requests_total(job="api").rate("5m").sum(by="job")`.

`names.py` has `q`, `expression.py` the operators and methods, `operands.py` what Python values
mean, `calls.py` the functions and aggregators of the registry as methods. Every step makes
nodes of `novaql.language.ast`, prints them and parses the text, so an expression is what its text
is, and an error has a place in the text.
"""

from __future__ import annotations

from novaql.expressions.expression import Expression
from novaql.expressions.names import q

__all__ = ["Expression", "q"]
