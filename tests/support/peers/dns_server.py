"""A DNS server in the test's process, whose answers change from query to query."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Names:
    """The answers for each name, one after another; the last one repeats.

    address  where the server is asked, as the setting `dns_server` has it
    asked    names that were asked for, once for each question of an IPv4 address
    """

    address: str
    answers: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    def reply(self, raw: bytes) -> bytes:
        """The reply to a message."""
        query = dns.message.from_wire(raw)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        known = self.answers.get(name)
        if known is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if question.rdtype == dns.rdatatype.A:
            self.asked.append(name)
            if known is not None:
                found = known[min(self.asked.count(name), len(known)) - 1]
                reply.answer.append(dns.rrset.from_text(question.name, 0, "IN", "A", *found))
        return reply.to_wire()


@contextmanager
def dns_server(answers: Mapping[str, Sequence[Sequence[str]]]) -> Iterator[Names]:
    """A server on a free port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        host, port = sock.getsockname()
        names = Names(f"{host}:{port}", answers)

        def serve() -> None:
            while True:
                raw, peer = sock.recvfrom(4096)
                if raw == b"end":
                    return
                sock.sendto(names.reply(raw), peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield names
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", (host, port))
            thread.join(timeout=5)
