"""The cost of each operator of a running query: `explain analyze`."""

from __future__ import annotations

import threading
from dataclasses import replace

from novaql.evaluator.matrix import StepMatrix
from novaql.fast_dataclass import dataclass
from novaql.planner.logical import Plan, Select
from novaql.planner.nodes import PlanNode, nodes_of
from novaql.planner.show import show
from novaql.tsdb.model.source import Selection


@dataclass(slots=True)
class Cost:
    """The cost of one operator, with everything below it; of an operator that runs batch by batch,
    its own cost.

    series, samples  of a selector: what it reads. Of others: rows and values of the result
    parts            of a selector: those of the store that it searches, and all of them
    bytes            of the samples that are read, or of the result in memory: batch by batch, of
                     the largest part of it that there is at one time
    seconds          on all threads together; None where an operator does nothing by itself
    """

    calls: int = 0
    series: int = 0
    samples: int = 0
    bytes: int = 0
    seconds: float | None = None
    parts: tuple[int, int] | None = None


class Profile:
    """The costs of one query, filled in while it runs."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self._costs: dict[int, tuple[Plan, Cost]] = {}  # by identity; holds the plan, too
        self._by_batch: dict[int, tuple[Plan, Cost]] = {}  # likewise
        self._lock = threading.Lock()

    def cost(self, plan: Plan) -> Cost | None:
        """The cost of an operator of the plan; None if it was not measured by itself."""
        known = self._costs.get(id(plan)) or self._by_batch.get(id(plan))
        if known is None:
            return None
        cost, loaded = known[1], self._by_batch.get(id(plan))
        if isinstance(plan, Select) and cost.seconds is None and loaded is not None:
            return replace(cost, seconds=loaded[1].seconds)
        return cost

    def selected(self, select: Select, selection: Selection) -> None:
        """A selector's series and samples."""
        with self._lock:
            cost = self._of(select)
            cost.calls += 1
            cost.series = max(cost.series, len(selection.series))
            cost.samples += selection.samples
            cost.bytes = 8 * cost.samples
            cost.parts = selection.parts

    def evaluated(self, plan: Plan, seconds: float, found: StepMatrix | None) -> None:
        """An operator's result. None: a scalar at each step."""
        with self._lock:
            cost = self._of(plan)
            cost.seconds = (cost.seconds or 0.0) + seconds
            if isinstance(plan, Select):
                return
            cost.calls += 1
            if found is not None:
                present = found.valid
                cost.series = max(cost.series, found.rows)
                cost.samples += found.values.size if present is None else int(present.sum())
                held = found.values.nbytes + (0 if present is None else present.nbytes)
                cost.bytes = max(cost.bytes, held)

    def ran(self, plan: Plan, seconds: float, rows: int, values: int, held: int) -> None:
        """The result of an operator for some series, batch by batch."""
        with self._lock:
            cost = self._by_batch.setdefault(id(plan), (plan, Cost()))[1]
            cost.seconds = (cost.seconds or 0.0) + seconds
            cost.series += rows
            cost.samples += values
            cost.bytes = max(cost.bytes, held)

    def loaded(self, select: Select, seconds: float) -> None:
        """Add the time that it took to load some of a selector's samples."""
        self.ran(select, seconds, 0, 0, 0)

    def text(self) -> str:
        """The plan, a line an operator, each with its cost."""
        assert self.plan is not None
        return show(self.plan, note=self._note)

    def nodes(self, query: str) -> list[tuple[PlanNode, Cost | None]]:
        """The nodes of the plan, parents first, each with its cost."""
        assert self.plan is not None
        return [(node, self.cost(plan)) for plan, node in nodes_of(self.plan, query)]

    def _of(self, plan: Plan) -> Cost:
        return self._costs.setdefault(id(plan), (plan, Cost()))[1]

    def _note(self, plan: Plan) -> str:
        cost = self.cost(plan)
        if cost is None:
            return ""
        parts = []
        if cost.series:
            what = ("reads", "of samples") if isinstance(plan, Select) else ("gives", "in memory")
            parts.append(f"{what[0]} {cost.series} series, {cost.samples} samples")
            parts.append(f"{_size(cost.bytes)} {what[1]}")
        if cost.parts is not None:
            parts.append(f"{cost.parts[0]} of {cost.parts[1]} parts")
        if cost.seconds is not None:
            parts.append(f"{1000 * cost.seconds:.3f} ms")
        if cost.calls > 1:
            parts.append(f"{cost.calls} times")
        return f"  [{'; '.join(parts)}]" if parts else ""


def _size(count: int) -> str:
    return f"{count} B" if count < 10_240 else f"{count / 1024:.0f} KiB"
