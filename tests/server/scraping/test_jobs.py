"""Jobs side by side: what a reload removes, and a job that cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.scraping.test_scraper import eventually, job, samples_of, scraping
from tests.support.peers.exposer import exposing


@pytest.mark.slow
def test_a_reload_ends_what_it_removes_and_continues_the_rest(tmp_path: Path) -> None:
    def say(*jobs: str) -> None:
        head = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
        (tmp_path / "scrape.yml").write_text(head + "".join(f"  - {text}\n" for text in jobs))

    def one(*targets: str, drop: str = "none") -> str:
        rule = f"[{{source_labels: [__name__], regex: {drop}, action: drop}}]"
        return (
            f"{{job_name: one, static_configs: [{{targets: {list(targets)}}}], "
            f"metric_relabel_configs: {rule}}}"
        )

    with exposing() as target, exposing() as other:
        target.body = b"a 1\nb 2\n"
        two = f"{{job_name: two, static_configs: [{{targets: ['{other.address}']}}]}}"
        with scraping(tmp_path, "") as (store, manager):

            def wait_for_sample(name: str, labels: dict[str, str], *, stale: bool = False) -> None:
                def there() -> bool:
                    found = samples_of(store, __name__=name, **labels)
                    return bool(found) and found[-1][2] == stale

                eventually(there)

            say(one(target.address, other.address), two)
            manager.reload()
            gone = [{"job": "two"}, {"job": "one", "instance": other.address}]
            here = {"job": "one", "instance": target.address}
            for labels in (*gone, here):
                wait_for_sample("up", labels)
            for labels in gone:
                wait_for_sample("up_time", labels)
            say(one(target.address, drop="b"))
            manager.reload()
            for labels in gone:
                wait_for_sample("up", labels, stale=True)
                wait_for_sample("up_time", labels, stale=True)
            wait_for_sample("b", here, stale=True)
            for name in ("up", "a"):
                found = samples_of(store, __name__=name, **here)
                assert not any(stale for *_, stale in found)


def test_a_job_without_its_files_does_not_affect_others(tmp_path: Path) -> None:
    more = """\
  - job_name: two
    scheme: https
    tls_config: {ca_file: gone.pem}
    static_configs: [{targets: ["127.0.0.1:1"]}]
"""
    with exposing() as target, scraping(tmp_path, job(target.address, more)) as (store, manager):
        eventually(lambda: samples_of(store, __name__="up_time", job="one"))
        eventually(lambda: samples_of(store, __name__="up", job="two"))
        assert samples_of(store, __name__="up", job="two")[0][1] == 0.0
        eventually(lambda: any("tls_config" in t.error for t in manager.scrape_report().targets))
