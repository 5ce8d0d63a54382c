"""An objective as decimal text, never as a binary float: 0.999 is exactly 999/1000."""

from __future__ import annotations

import re
from fractions import Fraction

from novaql.fast_dataclass import dataclass

_DECIMAL = re.compile(r"0?\.\d{1,12}", re.ASCII)


class InvalidObjective(ValueError):
    """The text is no objective. The message shows the expected form."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The share of events that should be good, above 0 and below 1.

    text   as the client sent it, with trailing zeros: "0.9990"
    ratio  the same number, exactly
    """

    text: str
    ratio: Fraction

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Parse decimal text such as "0.999". Raises `InvalidObjective`."""
        if _DECIMAL.fullmatch(text) is None:
            hint = "; a percentage is written as a share: 99.9 % is 0.999"
            raise InvalidObjective(
                f"{text!r} is no objective: write a decimal above 0 and below 1, as 0.999"
                + (hint if _is_percentage(text) else "")
            )
        ratio = Fraction("0" + text if text.startswith(".") else text)
        if ratio == 0:
            raise InvalidObjective("an objective must be above 0")
        return cls(text, ratio)

    @property
    def allowed(self) -> Fraction:
        """The error budget: the share of events that may be bad."""
        return 1 - self.ratio

    @property
    def largest_burn_rate(self) -> Fraction:
        """The burn rate if every event is bad. A threshold at or above it is unreachable."""
        return 1 / self.allowed


def _is_percentage(text: str) -> bool:
    try:
        return 1 < float(text) <= 100
    except ValueError:
        return False
