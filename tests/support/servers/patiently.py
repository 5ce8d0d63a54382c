"""Requests of one shot that wait long enough for a machine that has other things to do."""

from __future__ import annotations

import functools

import httpx

get = functools.partial(httpx.get, timeout=120)
post = functools.partial(httpx.post, timeout=120)
put = functools.partial(httpx.put, timeout=120)
delete = functools.partial(httpx.delete, timeout=120)
