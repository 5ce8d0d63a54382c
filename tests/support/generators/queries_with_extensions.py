"""Random queries with extensions that the reference evaluator knows."""

from __future__ import annotations

import random

from tests.support.generators.random_samples import SeriesSamples

_VALUES = (0.0, 1.0, 2.0, 3.5, 7.0, 10.0, -4.0)
_ROLLUPS = ("sum_over_time", "max_over_time", "count_over_time", "last_over_time", "changes")
_SCALARS = ("3", "scalar(a)")
_AGGREGATORS = ("sum", "max", "min", "count", "avg")


def sparse_series(rng: random.Random, first_ms: int, minutes: int) -> SeriesSamples:
    """Series `a` and `b` with labels n and m, of which parts are missing for minutes."""
    out: SeriesSamples = []
    for name in "ab":
        for number in range(rng.randint(0, 3)):
            begin, end = sorted(rng.choices(range(2 * minutes + 1), k=2))
            if rng.random() < 0.5:
                begin, end = 0, 2 * minutes
            samples = [
                (first_ms + 30_000 * i, rng.choice(_VALUES))
                for i in range(begin, end)
                if rng.random() < 0.8
            ]
            labels = {"__name__": name, "n": str(number), "m": rng.choice("xy")}
            out.append((labels, samples))
    return out


class ExtensionMaker:
    """Makes query texts. Operators over all steps stand outside of subqueries alone."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def query(self) -> str:
        match self._rng.randrange(8):
            case 0:
                return (
                    f"let v = {self.vector(2)}, f(z) = {self._aggregator()} by (n) (z) in "
                    f"{self._op('f(v)', 'f(' + self._selector() + ')')}"
                )
            case 1:
                return f"{self._selector()} |> {self._aggregator()} by (n) |> abs"
            case 2:
                return f"WITH (c = {{m='x'}}, w = 2m) {self._rollup()}(a{{c}}[w])"
            case 3:
                inner = self._changed()
                return f"(({inner}) keep_metric_names, label_set({inner}, 'x', 'y'))"
            case 4:
                part = self.vector(2)
                return f"{self._op(self._by(part), self._by(part))} or {self._by(part)}"
            case _:
                return self.vector(3)

    def vector(self, depth: int, *, inside: bool = False) -> str:
        """inside: of a subquery."""
        pick, choose = self._rng.randrange, self._rng.choice
        if depth <= 0:
            return self._selector()
        match pick(9 if inside else 14):
            case 0 | 1:
                return f"{self._rollup()}({self._window(depth)})"
            case 2:
                few, names = (
                    choose(("if", "ifnot", "if on (n)")),
                    self.vector(depth - 1, inside=inside),
                )
                return f"({self._selector()} {few} {names})"
            case 3:
                listed = ", ".join(str(choose(_VALUES)) for _ in range(pick(3) + 1))
                return f"({self._selector()} {choose(('==', '!='))} ({listed},))"
            case 4:
                shift = choose((" offset 1m", " offset -90s", " @ end()", " @ (start() + 1m)"))
                return f"({self._by_label(depth, inside=inside)}){shift}"
            case 5:
                return f"({self._changed()}) keep_metric_names"
            case 6:
                return self._op(self._by_label(depth, inside=inside), "2")
            case 7:
                if pick(2):
                    vector = self._by_label(depth, inside=inside)
                    return f"({vector} {choose(('or', 'and', 'unless'))} {choose(_SCALARS)})"
                return f"({choose(_SCALARS)} {choose(('>', '==', '!='))} 2)"
            case 8:
                return self._by_label(depth, inside=inside)
            case 9:
                right = choose((self._by_label(depth), str(choose(_VALUES))))
                return f"({self._by_label(depth)} default {right})"
            case 10:
                return f"({self._by_label(depth)}, {self._by_label(depth)}, abs(1))"
            case 11:
                return f"{self._by_label(depth)} limit {pick(3)}"
            case 12:
                return self._op(
                    self._selector(), f"on (n=m) group_left () max by (m) ({self._selector()})"
                )
            case _:
                operands = ", ".join(self._selector() for _ in range(pick(3) + 2))
                return f"{self._aggregator()} {choose(('by (n)', 'without (m)', ''))} ({operands})"

    def _changed(self) -> str:
        """An operation whose operand has names."""
        form = self._rng.choice(("abs({})", "-{}", "({} * 2)", "last_over_time({}[2m])"))
        return form.format(self._selector(plain=True))

    def _by_label(self, depth: int, *, inside: bool = False) -> str:
        """An aggregation, whose labels are separate."""
        return self._by(self.vector(depth - 1, inside=inside))

    def _by(self, operand: str) -> str:
        by = self._rng.choice(("by (n)", "by (n, m)", "without (n)", "BY (m)"))
        return f"{self._aggregator()} {by} ({operand})"

    def _op(self, left: str, right: str) -> str:
        op = self._rng.choice(("+", "-", "*", ">", "=="))
        return f"({left} {op} {right})"

    def _selector(self, *, plain: bool = False) -> str:
        name = self._rng.choice("ab")
        return name + self._rng.choice(
            ("", "", '{n="0" or m="x"}', '{(n="1" or n="2"), m!="y"}')
            + (() if plain else (" offset 1.5m", " @ (end() - 60)"))
        )

    def _rollup(self) -> str:
        name = self._rng.choice(_ROLLUPS)
        return self._rng.choice((name, name, name.upper()))

    def _aggregator(self) -> str:
        return self._rng.choice(_AGGREGATORS)

    def _window(self, depth: int) -> str:
        length = self._rng.choice(("1.5m", "2m", "30s1m", "3m"))
        match self._rng.randrange(5):
            case 0:
                return f"({self.vector(depth - 1, inside=True)})[{length}]"
            case 1:
                changed = self._rng.choice(("!= 1", "* 2", "> 2"))
                return f"{self._selector(plain=True)}[{length}] {changed}"
            case 2:
                return f"abs({self._selector(plain=True)}[{length}])"
            case 3:
                return f"({self._selector(plain=True)}[{length}] == (1, 2, 7))"
            case _:
                return f"{self._selector(plain=True)}[{length}]"
