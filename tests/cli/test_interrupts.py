"""Ctrl-C ends work in a thread at whatever moment it comes."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from novaql.cli.interrupts import interruptible

LONGEST_S = 30


@pytest.mark.parametrize("attempt", range(20))
def test_while_the_thread_starts(attempt: int) -> None:
    interrupted = threading.Event()
    seen = []

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        seen.append(interrupted.wait(LONGEST_S))

    with pytest.raises(KeyboardInterrupt):
        interruptible(work, interrupted.set)

    assert seen == [True], attempt
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_before_the_work_can_be_interrupted() -> None:
    begun, interrupted = threading.Event(), threading.Event()
    calls = []

    def interrupt() -> None:
        calls.append(begun.is_set())
        if len(calls) == 3:
            begun.set()
        elif begun.is_set():
            interrupted.set()

    def work() -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return begun.wait(LONGEST_S) and interrupted.wait(LONGEST_S)

    with pytest.raises(KeyboardInterrupt):
        interruptible(work, interrupt)
    assert calls == [False, False, False, True]


def test_results_and_errors_without_it() -> None:
    def fail() -> None:
        raise ValueError("no")

    assert interruptible(lambda: 7, fail) == 7
    with pytest.raises(ValueError, match="no"):
        interruptible(fail, lambda: None)


def test_another_thread_and_a_process_that_ignores_it() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(interruptible, lambda: 7, lambda: None).result() == 7

    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert interruptible(lambda: os.kill(os.getpid(), signal.SIGINT), lambda: None) is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)
