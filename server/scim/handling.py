"""The library's handler where resources are read and written in transactions of their own.

A resource is read, what a request makes of it is worked out outside of any transaction, and it is
written if it has not changed since. If it has, that is done anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from scim2_models import PatchOp, PreconditionFailedException, Resource, ResourceType
from scim2_server.conditions import Conditions
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation

Done = TypeVar("Done")
_TRIES = 10


class Handler(ScimHandler):
    """Serves requests without a transaction around them."""

    def replace(self, request: ScimRequest) -> ScimResponse:
        """Replace a resource. The body is validated before anything is read."""
        with self.service.provider:
            target = self.service.route(request, Operation.replace)
            resource_type = self.service.resource_type_at(cast(str, target.endpoint))
            self.service.authorize(request, target, resource_type)
            shown = self.service.read_response_parameters(resource_type, request.query)
            replacement = self.service.read_replacement(
                resource_type, request.body, request.header("Content-Type")
            )
            current = self.storage.get(resource_type, cast(str, target.resource_id))
            conditions = self.service.read_conditions(request)
            resource = self.replace_resource(resource_type, current, replacement, conditions)
            response = self.service.replacement_response(request.base_url, resource, shown)
            return self.service.me_response(request, target, response)

    def replace_resource(
        self,
        resource_type: ResourceType,
        current: Resource[Any],
        replacement: Resource[Any],
        conditions: Conditions,
    ) -> Resource[Any]:
        """The resource as it is afterwards. It has been read already."""
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
        """The resource as it is afterwards."""

        def once() -> Resource[Any]:
            given = patch_op.model_copy(deep=True)
            return super(Handler, self).patch_resource(
                resource_type, resource_id, given, conditions
            )

        return _until_unchanged(once, conditions)

    def delete_resource(
        self, resource_type: ResourceType, resource_id: str, conditions: Conditions
    ) -> None:
        """Delete a resource once its conditions are met."""

        def once() -> None:
            super(Handler, self).delete_resource(resource_type, resource_id, conditions)

        _until_unchanged(once, conditions)


def _until_unchanged(once: Callable[[], Done], conditions: Conditions) -> Done:
    """Do something again while others change the resource between reading and writing it; a client
    that has named a version is refused instead."""
    for _ in range(_TRIES - 1):
        try:
            return once()
        except PreconditionFailedException:
            if conditions.if_match is not None or conditions.if_none_match is not None:
                raise
    return once()
