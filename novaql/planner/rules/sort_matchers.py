"""The order of matchers has no meaning, so it is normalized."""

from __future__ import annotations

from dataclasses import replace

from novaql.planner.logical import Plan, Select, rewrite


def sort_matchers(plan: Plan) -> Plan:
    """Order every selector's matchers by label name.

    Matchers of one label stay in order: `absent()` depends on it.
    """

    def ordered(node: Plan) -> Plan:
        if not isinstance(node, Select):
            return node
        matchers = tuple(sorted(node.matchers, key=lambda matcher: matcher.name))
        return node if matchers == node.matchers else replace(node, matchers=matchers)

    return rewrite(plan, ordered)
