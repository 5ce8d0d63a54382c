"""run_demo(): serve sample data until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from novaql.server.auth.bootstrap import add_admin, ensure_first_tenant
from novaql.server.demo.fleet import Fleet
from novaql.server.demo.live import FleetJob, SelfScrape, load_history, now_ms
from novaql.server.demo.machine import mount_node_metrics
from novaql.server.process.run import serve
from novaql.server.settings import Settings
from novaql.server.tenants.opening import open_clock, open_state, open_store

Report = Callable[[int, int], None]


def run_demo(
    settings: Settings | None = None,
    *,
    data: Path | None = None,
    open_browser: bool = False,
    out: TextIO | None = None,
    log_level: str = "warning",
) -> None:
    """Load samples of the fleet; serve them and this machine's metrics until SIGINT or SIGTERM.

    settings      settings of the server; `data` is ignored
    data          directory of the store, which remains. None: a temporary one, which is deleted
    open_browser  open the console in a browser
    out           output for the address, the token and three commands; None: standard output

    Raises `ArgumentError` if the server cannot listen on the address, and `StoreError` if the store
    cannot be opened.
    """
    out = sys.stdout if out is None else out
    with until_signal(), demo_directory(data) as folder:
        chosen = replace(settings or Settings(), data=folder, sync="os")
        store = open_store(chosen)
        try:
            database, clock = open_state(chosen), open_clock(chosen)
            tenant = ensure_first_tenant(database, clock)
            token = None
            if chosen.auth:
                token = add_admin(database, clock, tenant.id, called="demo").secret
            fleet = Fleet(now_ms())
            with _progress(out) as progress:
                samples = load_history(fleet, store, progress)
            scrapes = SelfScrape(store, folder / "server" / "demo-scrapes.yml")
        except BaseException:
            store.close()
            raise

        def started(address: str, _: str | None) -> None:
            scrapes.address = reachable(address)
            out.write(welcome(scrapes.address, token, folder, samples, persistent=data is not None))
            out.flush()
            if open_browser:
                webbrowser.open(_page(scrapes.address, token))

        serve(
            chosen,
            store=store,
            database=database,
            jobs=[FleetJob(fleet, store), scrapes],
            extend=mount_node_metrics,
            started=started,
            log_level=log_level,
        )
    out.write("\nStopped.\n" if data is not None else "\nStopped; the demo's data is gone.\n")
    out.flush()


def reachable(address: str) -> str:
    """The address for clients on this machine, also if the server listens on all addresses."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def program() -> str:
    """The command that starts `novaql` in a shell: its name if it is on `PATH`, else its path."""
    if shutil.which("novaql"):
        return "novaql"
    started = Path(sys.argv[0])
    return os.path.relpath(started) if started.name == "novaql" else "novaql"


def _page(address: str, token: str | None) -> str:
    return f"{address}/" + (f"#token={token}" if token else "")


def welcome(
    address: str, token: str | None, folder: Path, samples: int, *, persistent: bool
) -> str:
    """The message that the demo prints when it is ready."""
    header = f' -H "Authorization: Bearer {token}"' if token else ""
    lines = [
        "",
        f"  NovaQL demo: {samples:,} samples of a small fleet, and this machine, live.",
        "",
        f"  Open    {_page(address, token)}",
    ]
    if token:
        lines.append(f"  Token   {token}")
    lines += [
        f"  Data    {folder}" + ("" if persistent else "  (goes when the demo ends)"),
        "",
        "  Shell",
        f"    {program()} query 'sum by (job) (up)' --data {folder}",
        "  Python",
        "    from novaql import query",
        f"    query('sum by (job) (up)', {str(folder)!r})",
        "  HTTP",
        f"    curl -s {address}/v1/novaql{header} \\",
        "      -H 'Content-Type: application/json' \\",
        """      -d '{"query": "sum by (job) (up)"}'""",
        "",
        "  Something broke three and a half hours ago. Ctrl-C stops.",
        "",
    ]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def until_signal() -> Iterator[None]:
    """Leave the block on SIGINT or SIGTERM, without an error, so that both run the same clean-up.
    Has no effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def demo_directory(data: Path | None) -> Iterator[Path]:
    """The directory of the data: the given one, or a temporary one that is deleted afterwards."""
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="novaql-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _progress(out: TextIO) -> Iterator[Report]:
    """A progress bar on a terminal; no output otherwise."""
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _done, _all: None
        return
    from rich.console import Console  # noqa: PLC0415 - heavy, only for a terminal
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - likewise

    columns = (TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=Console(file=out), transient=True) as bars:
        task = bars.add_task("Replaying a day of the fleet")
        yield lambda done, total: bars.update(task, completed=done, total=total)
