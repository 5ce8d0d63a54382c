"""Single requests with a timeout that suffices on a busy machine."""

from __future__ import annotations

import functools
import ssl

import httpx

TLS = ssl.create_default_context()
"""One for all requests: httpx would read the certificates of the system for each, in 4 ms."""

get = functools.partial(httpx.get, timeout=120, verify=TLS)
post = functools.partial(httpx.post, timeout=120, verify=TLS)
put = functools.partial(httpx.put, timeout=120, verify=TLS)
delete = functools.partial(httpx.delete, timeout=120, verify=TLS)
