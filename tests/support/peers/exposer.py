"""A scrape target on loopback whose answer can be changed."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROTOBUF = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)


class Exposer:
    """Answers every request with `body`, after `delay` seconds; `asked` has the headers of the
    requests.

    packed    whether the body is compressed; `after` follows the compressed body
    location  address to which a redirect, by `status`, leads
    """

    def __init__(self) -> None:
        self.body: bytes | Callable[[], bytes] = b"up_time 1\n"
        self.content_type = "text/plain; version=0.0.4"
        self.status = 200
        self.delay = 0.0
        self.packed = False
        self.after = b""
        self.location = ""
        self.asked: list[dict[str, str]] = []
        exposer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exposer.asked.append(dict(self.headers))
                time.sleep(exposer.delay)
                body = exposer.body if isinstance(exposer.body, bytes) else exposer.body()
                body = gzip.compress(body) + exposer.after if exposer.packed else body
                self.send_response(exposer.status)
                self.send_header("Content-Type", exposer.content_type)
                self.send_header("Content-Length", str(len(body)))
                if exposer.packed:
                    self.send_header("Content-Encoding", "gzip")
                if exposer.location:
                    self.send_header("Location", exposer.location)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.address}/metrics"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def exposing() -> Iterator[Exposer]:
    made = Exposer()
    try:
        yield made
    finally:
        made.close()
