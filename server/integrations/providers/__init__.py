"""The providers. A new one is a file here, and a line in `PROVIDERS`."""

from __future__ import annotations

from novaql.server.errors import NotFound
from novaql.server.integrations.provider import Provider
from novaql.server.integrations.providers.alertmanager import ALERTMANAGER
from novaql.server.integrations.providers.fake import Fake
from novaql.server.integrations.providers.generic_webhook import GENERIC_WEBHOOK
from novaql.server.integrations.providers.github import GITHUB
from novaql.server.integrations.providers.grafana import GRAFANA
from novaql.server.integrations.providers.pagerduty import PAGERDUTY
from novaql.server.integrations.providers.prometheus import PROMETHEUS
from novaql.server.settings import Settings

PROVIDERS: tuple[Provider, ...] = (
    PROMETHEUS,
    ALERTMANAGER,
    GRAFANA,
    PAGERDUTY,
    GITHUB,
    GENERIC_WEBHOOK,
)


def providers_of(settings: Settings) -> dict[str, Provider]:
    """Return the providers of a server by name. A setting adds the one for tests."""
    found = {provider.name: provider for provider in PROVIDERS}
    if settings.integrations_fake_url:
        found[Fake.name] = Fake(settings.integrations_fake_url)
    return found


def provider_named(settings: Settings, name: str) -> Provider:
    """Return a provider. Raises the 404 `provider_not_found`."""
    found = providers_of(settings).get(name)
    if found is None:
        raise NotFound(f"nothing named {name} can be connected", code="provider_not_found")
    return found
