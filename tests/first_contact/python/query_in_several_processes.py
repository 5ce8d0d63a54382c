"""Queries in a pool of processes: an error of one arrives as it was raised."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import novaql


def answer(text: str) -> float:
    return novaql.query(text).item()


if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        assert pool.submit(answer, "2 ^ 10").result() == 1024
        error = pool.submit(answer, "2 ^").exception()
        assert isinstance(error, novaql.QueryError)
        assert error.line == 1
