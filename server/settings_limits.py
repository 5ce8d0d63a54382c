"""Annotations of the fields of `Settings`: valid values, and limits of a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """holds: whether a value is valid; message: of the error for any other value"""

    holds: Callable[[Any], bool]
    message: str


@dataclass(frozen=True, slots=True)
class PerTenant:
    """`novaql admin limits` can override the setting for a tenant.

    resources   the setting limits their number; "": it limits something else
    requested   requests create each of them; False: they are created with other resources
    """

    resources: str = ""
    requested: bool = True


AtLeastOne = Annotated[int, Rule(lambda value: value >= 1, "must be at least 1")]
OrUnlimited = Annotated[int, Rule(lambda value: value >= 0, "must be 0 or more")]
CacheBytes = Annotated[int, Rule(lambda value: value >= 0, "must be 0 or more")]
AnySeconds = Annotated[float, Rule(lambda value: value >= 0, "must be 0 or more")]
Seconds = Annotated[float, Rule(lambda value: value > 0, "must be greater than 0")]
SecondsOfRequest = Annotated[Seconds, Rule(lambda value: value <= 60, "must be at most 60")]
SecondsOfLease = Annotated[float, Rule(lambda value: 1 <= value <= 3600, "must be from 1 to 3600")]
