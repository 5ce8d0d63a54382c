"""In a program of asyncio, a query runs in a thread while the event loop goes on."""

import asyncio

import novaql


async def main() -> list[float]:
    with novaql.memory() as database:
        database.load({"time": [60, 60], "job": ["api", "db"], "up": [1, 0]})
        queries = ("sum(up)", "count(up)")
        results = await asyncio.gather(*(database.query_async(q, time=60) for q in queries))
        return [result.item() for result in results]


assert asyncio.run(main()) == [1, 2]
