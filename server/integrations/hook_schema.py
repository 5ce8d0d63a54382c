"""Request and response models of hooks, which receive requests of other systems."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.http.shapes import Body, Listed, Name, ResponseModel, Timestamp, example
from novaql.server.integrations.provider import Secret

Pointer = Annotated[str, Field(max_length=500, pattern=r"^(/[^/]*)*$")]
HeaderName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9-]+$")]
Words = Annotated[str, Field(max_length=1000)]
Outcome = Literal["accepted", "duplicate", "ignored", "rejected"]


class SignatureBody(Body):
    """How requests prove that they come from the other system."""

    type: Literal["token", "hmac_sha256"] = Field(
        "token",
        description="`token`: the header is the secret; `hmac_sha256`: the HMAC-SHA256 of the body "
        "with the secret, in hexadecimal",
    )
    header: HeaderName = "X-Webhook-Token"
    prefix: Annotated[str, Field(max_length=50)] = Field(
        "", description="before the secret or the HMAC in the header, such as `sha256=`"
    )


class MessageIdBody(Body):
    """The place of the id of a message. A repeated id within a day has no effect."""

    header: HeaderName | None = None
    pointer: Pointer | None = None


class FieldBody(Body):
    """The source of a field of a report: a JSON pointer into the body, or a constant value."""

    pointer: Pointer | None = None
    value: Words | None = Field(None, description="a constant")
    default: Words | None = Field(None, description="if there is nothing at the pointer")
    map: Annotated[dict[Annotated[str, Field(max_length=200)], Words], Field(max_length=100)] = (
        Field(default_factory=dict, description="value in the body → value of the field")
    )


class CreateHook(Body):
    """A new hook. `report`, `fields`, `signature` and `message_id` are for `generic_webhook`."""

    model_config = example(
        {
            "name": "deploys of the shop",
            "report": "deploy",
            "signature": {"type": "token", "header": "X-Webhook-Token"},
            "message_id": {"pointer": "/id"},
            "fields": {
                "id": {"pointer": "/id"},
                "service": {"pointer": "/project/name"},
                "version": {"pointer": "/sha"},
            },
        }
    )

    name: Name
    secret: Annotated[Secret, Field(min_length=16, max_length=256)] | None = Field(
        None, description="absent: the server creates one"
    )
    report: Literal["deploy", "incident"] | None = None
    fields: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=50)], FieldBody], Field(max_length=20)
    ] = Field(default_factory=dict)
    signature: SignatureBody | None = None
    message_id: MessageIdBody | None = None
    services: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=200)],
            Annotated[str, Field(max_length=63)],
        ],
        Field(max_length=500),
    ] = Field(default_factory=dict, description="name in the other system → name in the catalog")


class HookOut(ResponseModel):
    """A hook, without its secret. The other system sends requests to `path`."""

    id: str
    provider: str
    name: str
    path: str
    config: dict[str, Any]
    received: int
    last_at: Timestamp | None
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class CreatedHook(HookOut):
    """A new hook. Only this answer has its secret."""

    secret: str


class HooksOut(Listed[HookOut]):
    """A page of hooks."""


class HookRequestOut(ResponseModel):
    """A request that a hook has received. Secrets in it are masked.

    details: what is wrong with a rejected one, with JSON pointers into its body
    """

    id: str
    at: Timestamp
    outcome: Outcome
    status: int = Field(description="of the answer")
    message_id: str | None
    headers: dict[str, str]
    body: str = Field(description="its beginning")
    details: list[Any]


class HookRequestsOut(ResponseModel):
    """The last requests, the newest first."""

    data: list[HookRequestOut]


class ReceivedOut(ResponseModel):
    """The results of a request: ids of resources and incidents."""

    outcome: Outcome
    resources: list[str]
    incidents: list[str]
    note: str = ""
