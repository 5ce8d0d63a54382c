"""run_story(): the story in real time, with a separate server."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TextIO

import httpx

from novaql.server.demo.demo import demo_directory, reachable, until_signal
from novaql.server.demo.story.pace import RealPace
from novaql.server.demo.story.people import StoryFailed
from novaql.server.demo.story.plot import HISTORY, Story
from novaql.server.demo.story.shop import Shop, listening
from novaql.server.process.run import serve
from novaql.server.settings import Settings

_TIMEOUT_S = 30.0


def run_story(
    settings: Settings | None = None,
    *,
    record: Path | None = None,
    out: TextIO | None = None,
    log_level: str = "warning",
) -> bool:
    """Run the story, and serve its data until SIGINT or SIGTERM; then delete it. True: it ended
    well.

    settings  settings of the server; the story sets `data`, and permits requests to loopback
    record    folder for the recording; with it, the server stops at the end of the story
    out       output for the sentences of the story; None: standard output

    Raises `ArgumentError` if the server cannot listen on the address.
    """
    out = sys.stdout if out is None else out
    ended_well = False

    def narrate(sentence: str) -> None:
        out.write(f"{sentence}\n")
        out.flush()

    def play(address: str, token: str) -> None:
        nonlocal ended_well
        pace = RealPace()
        shop = Shop(pace.now() - HISTORY)
        try:
            with (
                listening(shop) as shop_url,
                httpx.Client(base_url=address, timeout=_TIMEOUT_S) as client,
            ):
                begun = pace.now()
                recording = Story(client, token, shop, shop_url, pace, narrate).run()
                seconds = (pace.now() - begun) // timedelta(seconds=1)
                narrate(f"\nThe end, after {seconds} seconds.")
            if record is not None:
                recording.save(record)
                narrate(f"The recording is in {record}.")
            ended_well = True
        except (StoryFailed, httpx.HTTPError) as problem:
            narrate(f"\nThe story ended early: {problem}")
        if record is not None or not ended_well:
            os.kill(os.getpid(), signal.SIGINT)
        else:
            narrate(f"Open {address}/#token={token}, or Ctrl-C.")

    def started(address: str, token: str | None) -> None:
        here = reachable(address)
        assert token is not None
        narrate(f"NovaQL at {here}")
        threading.Thread(target=play, args=(here, token), name="story", daemon=True).start()

    with until_signal(), demo_directory(None) as folder:
        chosen = replace(
            settings or Settings(),
            data=folder,
            auth=True,
            sync="os",
            egress_allow="127.0.0.1/32",
            webhook_http=True,
            rate_per_minute=0,
            rate_per_day=0,
            evaluations_spread=False,
        )
        serve(chosen, started=started, log_level=log_level)
    return ended_well
