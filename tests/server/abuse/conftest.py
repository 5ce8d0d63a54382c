"""The servers that are abused: the database and the number of workers.

`NOVAQL_ABUSE=all pytest tests/server/abuse` tries each database with each number of workers.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.abuse.rig import AbuseRig, abuse_rig


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


@pytest.fixture(scope="module")
def rig(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AbuseRig]:
    """One server for the tests of a file: each finds it as the abuse before has left it."""
    data = tmp_path_factory.mktemp("abuse") / "data"
    with abuse_rig(data, **serving._asdict()) as made:
        yield made
