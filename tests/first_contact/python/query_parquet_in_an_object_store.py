"""Parquet in S3, or a store with its protocol: a file, a folder or a pattern.

Keys and regions come from the environment and the files of AWS, as for other programs. Here they
are in the address, beside that of a store on this machine.
"""

import io
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pandas as pd

import novaql

body = io.BytesIO()
times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
pd.DataFrame({"time": times, "load": [1.0, 3.0]}).to_parquet(body)
content = body.getvalue()


class Store(BaseHTTPRequestHandler):
    """One object, with ranges."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        span = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = map(int, span.groups()) if span else (0, len(content) - 1)
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Last-Modified", "Sun, 01 Mar 2026 00:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[first : last + 1])

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
    Thread(target=server.serve_forever, daemon=True).start()
    place = f"endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
    result = novaql.query("load", f"s3://key:secret@bucket/load.parquet?{place}")
    server.shutdown()

assert result.item() == 3
