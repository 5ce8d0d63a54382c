"""A command `novaql` for shells that is a fork of a process which has imported the program.

The command is a small script. It sends its arguments, environment, folder and open files to the
tests, which start the fork (`forked.py`), and it ends with the fork's exit code.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tests.support.servers.forked import fork_context, run_program

_COMMAND = """#!{python} -IS
import json, os, signal, socket, sys
door = socket.socket(socket.AF_UNIX)
door.connect({address!r})
asked = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(door, [len(asked).to_bytes(4, "big")], [0, 1, 2])
door.sendall(asked)
answers = door.makefile()
pid = int(answers.readline())
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(pid, number))
sys.exit(int(answers.readline()))
"""


@contextlib.contextmanager
def forking_command(path: Path) -> Iterator[None]:
    """Make `path` such a command. Forks that still run at the end are killed."""
    fork_context()
    with (
        tempfile.TemporaryDirectory() as folder,  # the address of a socket has 107 bytes at most
        socket.socket(socket.AF_UNIX) as listening,
    ):
        address = f"{folder}/socket"
        listening.bind(address)
        listening.listen()
        path.write_text(_COMMAND.format(python=sys.executable, address=address))
        path.chmod(0o755)
        accepting = threading.Thread(target=_accept, args=(listening,), daemon=True)
        accepting.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listening: socket.socket) -> None:
    serving = []
    while True:
        try:
            door, _ = listening.accept()
        except OSError:  # it was shut down
            break
        thread = threading.Thread(target=_serve, args=(door,), daemon=True)
        thread.start()
        serving.append((thread, door))
    for thread, door in serving:
        with contextlib.suppress(OSError):  # it was closed with the end of the command
            door.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(door: socket.socket) -> None:
    with door:
        size, descriptors, _, _ = socket.recv_fds(door, 4, 3)
        files = [Connection(number) for number in descriptors]
        with door.makefile("rb") as asked:
            arguments, environ, folder = json.loads(asked.read(int.from_bytes(size, "big")))
        process = fork_context().Process(target=_run, args=(arguments, environ, folder, files))
        process.start()
        for file in files:
            file.close()
        door.sendall(b"%d\n" % (process.pid or 0))
        if door in wait([process.sentinel, door]):  # the command was killed, or the tests end
            process.kill()
        process.join()
        code = process.exitcode or 0
        if code >= 0:
            with contextlib.suppress(BrokenPipeError):  # it was killed while the process ended
                door.sendall(b"%d\n" % code)


def _run(
    arguments: Sequence[str], environ: Mapping[str, str], folder: str, files: Sequence[Connection]
) -> None:
    for number, file in enumerate(files):
        os.dup2(file.fileno(), number)
        file.close()
    sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", closefd=False), encoding="utf-8")
    run_program(arguments, environ, folder)
