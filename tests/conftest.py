"""How hard property tests try, chosen by HYPOTHESIS_PROFILE.

dev   25 examples: the loop while working (the default)
ci    100 examples from a seed that is drawn for the run and printed at its start
deep  2 000 examples: for a timer or a person who hunts

`--hypothesis-seed=N` or NOVAQL_PROPERTY_SEED=N repeats the examples of a run of `ci`. The variable
is set before workers of xdist start, so all of them draw from the same seed.

A test that runs away in memory fails with a MemoryError of its own, rather than having the whole
run killed with no name given.
"""

from __future__ import annotations

import gc
import os
import resource
import secrets
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

# The first example of a test pays for imports and caches, and machines are shared: no deadlines.
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci",
    max_examples=100,
    derandomize=False,  # where CI is set, Hypothesis itself would take a fixed seed
    database=None,  # the examples depend on nothing but the seed
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is not a wrong test
)
settings.register_profile(
    "deep",
    max_examples=2_000,
    stateful_step_count=100,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
SEED_VARIABLE = "NOVAQL_PROPERTY_SEED"
settings.load_profile(PROFILE)
if PROFILE == "ci":
    os.environ.setdefault(SEED_VARIABLE, str(secrets.randbelow(1 << 32)))

# Tests start hundreds of programs. Each would compile every module where the environment forbids
# compiled files beside the sources, so these go to a folder of their own.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    compiled = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
    sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(compiled))
    sys.dont_write_bytecode = False

MEMORY_BYTES = 10 << 30
_soft, _hard = resource.getrlimit(resource.RLIMIT_DATA)
if _soft == resource.RLIM_INFINITY or _soft > MEMORY_BYTES:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, _hard))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set what tests and the processes that they start need.

    Hypothesis takes the seed of the run from its own option, after this. A shell that starts a run
    in the background lets it ignore SIGINT, which a test of Ctrl-C would wait for forever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    seed = os.environ.get(SEED_VARIABLE)
    if seed and config.getoption("--hypothesis-seed", default=None) is None:
        config.option.hypothesis_seed = seed


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print the seed, also where `-q` leaves the header out."""
    seed = session.config.getoption("--hypothesis-seed", default=None)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if seed is not None and reporter is not None:
        reporter.write_line(f"property tests: --hypothesis-seed={seed}")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave tests and modules out of later garbage collections.

    They are more than a million objects that no run gives back, and each full collection would
    visit them all.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # Each test makes a server of thousands of objects: by default, collections take a fifth
        # of the time of a run.
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _leave_out_what_a_module_left() -> Generator[None]:
    """Leave what the tests of a module leave behind, such as caches, out of later collections.

    A full collection took half a second after a thousand tests of the server.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def soon() -> Generator[None]:
    """Interrupt a test that has not ended after a minute, also inside of a regular expression: one
    whose time grows with the square of a text would run for hours."""

    def interrupt(*_: object) -> NoReturn:
        raise TimeoutError("the test has not ended after a minute")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


SLOW_FILE = "\npytestmark = pytest.mark.slow\n"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A run without slow tests does not import the files that have no others."""
    is_file = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    if config.option.markexpr != "not slow" or not is_file:
        return None
    return SLOW_FILE in collection_path.read_text("utf-8") or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a run on several cores does not end with one of them alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
