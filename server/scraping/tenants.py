"""Scrape configurations of tenants: a file for the first tenant, or a folder with one for each."""

from __future__ import annotations

from pathlib import Path

from novaql import ArgumentError
from novaql.server.auth.bootstrap import tenants
from novaql.server.scraping.config import scrape_jobs_of
from novaql.server.scraping.model import ScrapeJob
from novaql.server.scraping.scraper import ScrapeManager
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.label_limits import label_limits

_ENDINGS = (".yml", ".yaml")
ScrapeFiles = dict[str | None, tuple[Path, list[ScrapeJob]]]


def scrape_files_of(config: Path | None) -> ScrapeFiles:
    """Read scrape configurations: name of the tenant (None: the first one) → file, and its jobs.

    config  a file; or a folder with a file named after each tenant: `acme.yml`

    Raises `ArgumentError`.
    """
    if config is None:
        return {}
    if not config.is_dir():
        return {None: (config, scrape_jobs_of(config))}
    files = sorted(path for path in config.iterdir() if path.suffix in _ENDINGS)
    named = {path.stem: path for path in files}
    if len(named) < len(files):
        raise ArgumentError("scrape-config", f"two files in {config} are of one tenant")
    return {name: (path, scrape_jobs_of(path)) for name, path in named.items()}


def managers_of(files: ScrapeFiles, context: ServerContext) -> list[ScrapeManager]:
    """Create a manager for each file, with the store of its tenant. Raises `ArgumentError`."""
    known = tenants(context.database) if files else []
    ids = {tenant.name: tenant.id for tenant in known}
    limits = {tenant.id: tenant.limits for tenant in known}
    found = []
    for name, (path, jobs) in files.items():
        tenant_id = context.access.default_principal.tenant_id if name is None else ids.get(name)
        if tenant_id is None:
            raise ArgumentError("scrape-config", f"{path}: there is no tenant named {name!r}")
        settings = context.settings.within(limits[tenant_id])
        found.append(
            ScrapeManager(
                path,
                jobs,
                context.stores.of(tenant_id),
                tenant_id=tenant_id,
                most_targets=settings.max_scrape_targets,
                label_limits=label_limits(settings),
            )
        )
    return found
