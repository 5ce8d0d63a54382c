"""The servers that are abused: the database and the number of workers.

`NOVAQL_ABUSE=all pytest tests/server/abuse` tries each database with each number of workers.
"""

from __future__ import annotations

import itertools
import os
from typing import NamedTuple

import pytest


class Serving(NamedTuple):
    """Of `abuse_rig`."""

    kind: str
    workers: int


EVERY = [Serving(*one) for one in itertools.product(("sqlite", "postgresql"), (1, 2))]
USUAL = [Serving("sqlite", 1), Serving("postgresql", 2)]
CHOSEN = EVERY if os.environ.get("NOVAQL_ABUSE") == "all" else USUAL


@pytest.fixture(scope="module", params=CHOSEN, ids=lambda one: f"{one.kind}-{one.workers}")
def serving(request: pytest.FixtureRequest) -> Serving:
    """Each server that is to be tried."""
    one: Serving = request.param
    return one
