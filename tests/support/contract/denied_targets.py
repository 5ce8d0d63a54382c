"""URLs that no request on behalf of a user may reach: checks, integrations and steps of runbooks
reject each of them with a 422, and the listener on `{port}` of this machine gets no connection."""

from __future__ import annotations

DENIED_URLS = (
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://0.0.0.0:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://224.0.0.1/",
    "http://ok@127.0.0.1:{port}/",
    "http://ok.example@93.184.216.34/",
    "http://93.184.216.34@127.0.0.1:{port}/",
    "http://user:secret@93.184.216.34/",
    "http://93.184.216.34:0/",
    "file:///etc/passwd",
    "gopher://93.184.216.34:{port}/",
    "ftp://93.184.216.34/",
)


def denied_urls(port: int) -> list[str]:
    """All denied URLs, with the port of a listener."""
    return [url.replace("{port}", str(port)) for url in DENIED_URLS]
