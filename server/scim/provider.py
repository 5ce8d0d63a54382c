"""The SCIM service: Users with the enterprise extension, and Groups."""

from __future__ import annotations

import functools
import threading

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    Filter,
    Patch,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
)
from scim2_server.service import ScimService
from scim2_server.utils import load_default_resource_types, load_default_schemas

MOST_RESULTS = 1000
_building = threading.Lock()


def scim_service() -> ScimService:
    """The SCIM service without storage, which all tenants share.

    A lock serializes its creation, since it parses sources: `ast.parse` of CPython 3.11 sometimes
    fails on concurrent threads.
    """
    with _building:
        return _built()


@functools.cache
def _built() -> ScimService:
    config = ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=True, max_operations=100, max_payload_size=1 << 20),
        filter=Filter(supported=True, max_results=MOST_RESULTS),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="A token of this server, of purpose scim or of an administrator",
            )
        ],
    )
    provider = ScimProvider.from_discovery(
        schemas=list(load_default_schemas().values()),
        resource_types=list(load_default_resource_types().values()),
        config=config,
        policy=ScimPolicy(
            unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
            remove_value_as_filter=ScimPolicy.RemoveValue.apply,
        ),
    )
    return ScimService(provider)
