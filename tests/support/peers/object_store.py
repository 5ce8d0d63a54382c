"""Files over HTTP on loopback, with ranges, and as buckets with S3's protocol."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class ObjectStore:
    """Serves `files`: path → content, as /PATH; the first folder is the bucket.

    ranges  whether parts of a file can be requested
    asked   method, path and range of each request
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.ranges = True
        self.asked: list[tuple[str, str, str]] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.answer()

            def answer(self) -> None:
                parts = urlsplit(self.path)
                path, parameters = unquote(parts.path).strip("/"), parse_qs(parts.query)
                span = self.headers.get("Range", "")
                store.asked.append((self.command, path, span))
                if "list-type" in parameters or (path.count("/") == 0 and path not in store.files):
                    self.send(200, store.listing(path, parameters.get("prefix", [""])[0]))
                    return
                content = store.files.get(path)
                if content is None:
                    self.send(404, b"")
                    return
                found = re.fullmatch(r"bytes=(\d*)-(\d*)", span)
                if found is None or not store.ranges:
                    self.send(200, content)
                    return
                first, last = found.groups()
                begin = int(first) if first else max(0, len(content) - int(last))
                end = min(int(last) + 1, len(content)) if first and last else len(content)
                where = f"bytes {begin}-{end - 1}/{len(content)}"
                self.send(206, content[begin:end], where)

            def send(self, status: int, body: bytes, where: str = "") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                self.send_header("ETag", '"1"')
                if where:
                    self.send_header("Content-Range", where)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def s3(self, path: str) -> str:
        """The s3:// address of a file or folder."""
        where = f"endpoint_override={self.address}&scheme=http&region=us-east-1"
        return f"s3://key:secret@{path}?{where}"

    def listing(self, bucket: str, prefix: str) -> bytes:
        names = [path.partition("/")[2] for path in self.files if path.startswith(f"{bucket}/")]
        contents = "".join(
            f"<Contents><Key>{name}</Key><Size>{len(self.files[f'{bucket}/{name}'])}</Size>"
            "<LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
            for name in sorted(names)
            if name.startswith(prefix)
        )
        head = f"<Name>{bucket}</Name><Prefix>{prefix}</Prefix><KeyCount>{len(names)}</KeyCount>"
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
            f"{head}<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        ).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[ObjectStore]:
    made = ObjectStore(files)
    try:
        yield made
    finally:
        made.close()
