"""The time that a panel shows, its step, and the built-in variables that follow from them."""

from __future__ import annotations

from novaql import ArgumentError, duration_ms, to_ms
from novaql.fast_dataclass import dataclass
from novaql.server.dashboards.interpolation import Value
from novaql.text import duration_text

MOST_POINTS = 11_000
SCRAPE_INTERVAL_MS = 15_000
_STEPS_S = (
    *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200),
    *(10_800, 21_600, 43_200, 86_400, 172_800, 604_800),
)


@dataclass(frozen=True, slots=True)
class Window:
    """The range from `start_ms` to `end_ms`, both included, every `step_ms`.

    moves  it is relative to now (`now-1h`), so that it changes with time
    """

    start_ms: int
    end_ms: int
    step_ms: int
    moves: bool = False

    @property
    def steps_ms(self) -> tuple[int, int]:
        """The first step and the last one.

        The steps of a moving window are multiples of the step. A refreshed panel therefore has its
        previous steps and a few new ones. The server evaluates only the new ones, for all viewers,
        and lines do not change their shape between refreshes.
        """
        if not self.moves:
            return self.start_ms, self.end_ms
        last = self.end_ms // self.step_ms * self.step_ms
        return min(-(-self.start_ms // self.step_ms) * self.step_ms, last), last


def window_of(start: str, end: str, step: str | None, max_points: int, now_ms: int) -> Window:
    """The window of a request. The default step is the finest round one within `max_points`.

    Raises `ArgumentError` for invalid times, an end before the start, or a step of 0.
    """
    start_ms = to_ms(start, argument="start", now_ms=now_ms)
    end_ms = to_ms(end, argument="end", now_ms=now_ms, end=True)
    if end_ms < start_ms:
        raise ArgumentError("end", "must not be before start")
    moves = end.strip().startswith("now")
    if step is not None:
        step_ms = duration_ms(step, argument="step")
        if step_ms <= 0:
            raise ArgumentError("step", "must be greater than 0")
        return Window(start_ms, end_ms, step_ms, moves)
    needed = (end_ms - start_ms) / max(1, max_points - 1)
    round_ones = (s * 1000 for s in _STEPS_S if s * 1000 >= needed)
    step_ms = next(round_ones, int(-(-needed // 604_800_000)) * 604_800_000)
    return Window(start_ms, end_ms, step_ms, moves)


def built_in(window: Window) -> dict[str, Value]:
    """The built-in variables.

    __interval, __interval_ms   the step
    __rate_interval             a range in which a rate always has samples: a step plus one scrape
                                interval, at least four scrape intervals of 15 s
    __range, __range_s, __range_ms   the whole window
    __from, __to                its ends in milliseconds since 1970
    """
    step, span = window.step_ms, max(1000, window.end_ms - window.start_ms)
    rate = max(step + SCRAPE_INTERVAL_MS, 4 * SCRAPE_INTERVAL_MS)
    texts = {
        "__interval": duration_text(step),
        "__interval_ms": str(step),
        "__rate_interval": duration_text(rate),
        "__range": duration_text(span),
        "__range_s": str(span // 1000),
        "__range_ms": str(span),
        "__from": str(window.start_ms),
        "__to": str(window.end_ms),
    }
    return {name: Value((text,)) for name, text in texts.items()}
