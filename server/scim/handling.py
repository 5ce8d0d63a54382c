"""The library's handler, with separate transactions for reads and writes of resources.

The handler reads a resource, applies the request outside of any transaction, and writes the
resource if it has not changed in between. If it has changed, the handler retries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from scim2_models import (
    BulkOperation,
    Error,
    PatchOp,
    PreconditionFailedException,
    Resource,
    ResourceType,
    SCIMException,
)
from scim2_server.conditions import Conditions
from scim2_server.handler import ScimHandler

from novaql.server.errors import ServerError, kind_of

log = logging.getLogger(__name__)
Done = TypeVar("Done")
_TRIES = 10


class Handler(ScimHandler):
    """Handles requests without a surrounding transaction."""

    def replace_resource(
        self,
        resource_type: ResourceType,
        current: Resource[Any],
        replacement: Resource[Any],
        conditions: Conditions,
    ) -> Resource[Any]:
        """Replace a resource, which the caller has read; return the new state."""
        known: list[Resource[Any]] = [current]

        def once() -> Resource[Any]:
            read = known.pop() if known else self.storage.get(resource_type, str(current.id))
            given = replacement.model_copy(deep=True)
            return super(Handler, self).replace_resource(resource_type, read, given, conditions)

        return _until_unchanged(once, conditions)

    def patch_resource(
        self,
        resource_type: ResourceType,
        resource_id: str,
        patch_op: PatchOp[Any],
        conditions: Conditions,
    ) -> Resource[Any]:
        """Patch a resource; return the new state."""

        def once() -> Resource[Any]:
            given = patch_op.model_copy(deep=True)
            return super(Handler, self).patch_resource(
                resource_type, resource_id, given, conditions
            )

        return _until_unchanged(once, conditions)

    def delete_resource(
        self, resource_type: ResourceType, resource_id: str, conditions: Conditions
    ) -> None:
        """Delete a resource if it meets the conditions."""

        def once() -> None:
            super(Handler, self).delete_resource(resource_type, resource_id, conditions)

        _until_unchanged(once, conditions)

    def apply_bulk_operation(
        self, resource_type: ResourceType, operation: BulkOperation[Resource[Any]]
    ) -> Resource[Any] | None:
        """Apply an operation of a bulk request; return the new state of its resource.

        The library answers any error but its own with a 500 for the operation, and logs nothing.
        """
        try:
            return super().apply_bulk_operation(resource_type, operation)
        except ServerError as refused:
            error = Error(status=kind_of(refused).status, detail=refused.message)
            raise SCIMException.from_error(error) from refused
        except SCIMException:
            raise
        except Exception:
            log.exception("an operation of a SCIM bulk request failed")
            raise


def _until_unchanged(once: Callable[[], Done], conditions: Conditions) -> Done:
    """Retry while concurrent requests change the resource between the read and the write. Does not
    retry a request with a version in its conditions: raises its error."""
    for _ in range(_TRIES - 1):
        try:
            return once()
        except PreconditionFailedException:
            if conditions.if_match is not None or conditions.if_none_match is not None:
                raise
    return once()
