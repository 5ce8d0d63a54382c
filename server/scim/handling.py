"""The library's handler, with separate transactions for reads and writes of resources.

The handler reads a resource, applies the request outside of any transaction, and writes the
resource if it has not changed in between. If it has changed, the handler retries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from scim2_models import PatchOp, PreconditionFailedException, Resource, ResourceType
from scim2_server.conditions import Conditions
from scim2_server.handler import ScimHandler

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
