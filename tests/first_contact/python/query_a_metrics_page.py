"""Query the metrics page of a program, by its address. Samples without a time are of now."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import novaql


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b'queue_length{queue="mail"} 3\nqueue_length{queue="sms"} 4\n')

    def log_message(self, *_: object) -> None:
        pass


with HTTPServer(("127.0.0.1", 0), Page) as server:
    Thread(target=server.serve_forever, daemon=True).start()
    result = novaql.query("sum(queue_length)", f"http://127.0.0.1:{server.server_port}/metrics")
    server.shutdown()

assert result.item() == 7
