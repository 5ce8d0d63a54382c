"""Completions at a place in a query: names, labels, values, functions, keywords.

from novaql.complete import complete
complete("sum by (job) (ra")[0].text   # 'rate'
"""

from __future__ import annotations

from novaql.complete.completer import Completion, Kind, complete

__all__ = ["Completion", "Kind", "complete"]
