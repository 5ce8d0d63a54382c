"""Starts a program in a separate network namespace, as another user. Runs as a script.

`python -I -S launch.py ARGUMENTS`, with ARGUMENTS a JSON object:

uid the user of the program; null: this process is not a superuser, and a user namespace is created
control a socket: receives the listener of the proxy, made in the new network namespace fds file
descriptors that become 3, 4, 5 … of the program limits resource limits by name command the program
and its arguments

The script imports only the standard library, and no other module of NovaQL: it starts quickly.
A socket belongs to the namespace in which it was made, also in another process. So the process
that receives the listener can accept connections from this namespace, in which no other network
exists.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import socket
import struct
import sys
from pathlib import Path

PROXY_PORT = 3128
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
_FREE_FD = 100


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, f"no namespace: {os.strerror(number)}")


def _own_network(uid: int | None) -> None:
    """Enter a network namespace in which only loopback exists."""
    own_uid, own_gid = os.getuid(), os.getgid()
    _unshare(_CLONE_NEWNET if uid is not None else _CLONE_NEWUSER | _CLONE_NEWNET)
    if uid is None:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{own_uid} {own_uid} 1")
        Path("/proc/self/gid_map").write_text(f"{own_gid} {own_gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack("16xH14x", fcntl.ioctl(any_socket, _GET_FLAGS, name))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def main() -> None:
    """Run the program; it replaces this process."""
    given = json.loads(sys.argv[1])
    _own_network(given["uid"])
    with socket.socket(fileno=given["control"]) as control, socket.socket() as listener:
        listener.bind(("127.0.0.1", PROXY_PORT))
        listener.listen(64)
        socket.send_fds(control, [b"listening"], [listener.fileno()])
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FREE_FD) for fd in given["fds"]]
    for fd in given["fds"]:
        os.set_inheritable(fd, False)
    for number, fd in enumerate(moved, start=3):
        os.dup2(fd, number, inheritable=True)
    for name, limit in given["limits"].items():
        _, most = resource.getrlimit(getattr(resource, name))
        value = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(getattr(resource, name), (value, value))
    if given["uid"] is not None:
        os.setgroups([])
        os.setresgid(given["uid"], given["uid"], given["uid"])
        os.setresuid(given["uid"], given["uid"], given["uid"])
    os.chdir("/")
    os.execve(given["command"][0], given["command"], {})  # noqa: S606


if __name__ == "__main__":
    main()
