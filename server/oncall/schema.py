"""Request and response models of schedules, overrides and shifts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Duration,
    Listed,
    Name,
    ResponseModel,
    Timestamp,
    example,
)

_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
_WEEKDAY = (
    r"([Mm]on(day)?|[Tt]ue(sday)?|[Ww]ed(nesday)?|[Tt]hu(rsday)?|[Ff]ri(day)?"
    r"|[Ss]at(urday)?|[Ss]un(day)?)"
)
UserId = Annotated[str, Field(min_length=1, max_length=64)]
HandOff = Annotated[
    str,
    Field(
        max_length=20,
        pattern=rf"^(({_WEEKDAY}|[1-9]|[12][0-9]|3[01]) )?{_TIME}$",
        examples=["09:00", "mon 09:00", "15 09:00"],
        description="a time of day, after a weekday (weekly) or a day of the month (monthly; "
        "in shorter months the last day). Without a day: the day on which the layer starts",
    ),
]
WeekTime = Annotated[str, Field(max_length=20, pattern=rf"^({_WEEKDAY} )?{_TIME}$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ScheduleId = Annotated[str, Field(min_length=1, max_length=64)]
GapReason = Literal["user_left", "outside_restrictions", "not_started", "ended", "no_layers"]


class RotationBody(Body):
    """When one member hands over to the next, in wall-clock time."""

    type: Literal["daily", "weekly", "monthly", "custom"]
    hand_off: HandOff
    length: Annotated[int, Field(ge=1, le=366)] | Duration | None = Field(
        None,
        description="days, weeks or months of a turn; absent: 1. `custom` needs it: a number of "
        "days, or a duration of wall-clock time from `1h` to `366d`",
    )


class RestrictionBody(Body):
    """When a layer is on call: a part of each day, or a part of the week."""

    start: WeekTime = Field(description="`09:00`, or `fri 17:00`", examples=["09:00"])
    end: WeekTime = Field(
        description="`17:00`, or `mon 09:00`; a time that is not after `start` is on the next day",
        examples=["17:00"],
    )
    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)] | None = Field(
        None, description="days on which it begins; absent: every day, or the day in `start`"
    )


class LayerBody(Body):
    """A rotation. A later layer of the list has precedence over an earlier one."""

    name: Name | None = None
    start: Timestamp = Field(description="when the first member begins")
    end: Timestamp | None = Field(None, description="absent: never")
    rotation: RotationBody
    members: Annotated[list[UserId], Field(min_length=1, max_length=100)] = Field(
        description="ids of users, in the order of their turns"
    )
    restrictions: Annotated[list[RestrictionBody], Field(max_length=20)] = Field(
        default_factory=list, description="when it is on call; empty: always"
    )


ZoneName = Annotated[
    str,
    Field(min_length=1, max_length=64, description="an IANA name", examples=["Europe/Berlin"]),
]
Layers = Annotated[list[LayerBody], Field(max_length=20)]


class SaveSchedule(Body):
    """A whole schedule. With an `id` it replaces that schedule, from its `version`."""

    model_config = example(
        {
            "name": "payments",
            "timezone": "Europe/Berlin",
            "layers": [
                {
                    "start": "2026-04-01T00:00:00Z",
                    "rotation": {"type": "weekly", "hand_off": "mon 09:00"},
                    "members": ["usr_00000000000000000000000000"],
                }
            ],
        }
    )

    id: ScheduleId | None = None
    version: int | None = Field(None, ge=1)
    name: Name
    description: str = Field("", max_length=2000)
    timezone: ZoneName
    layers: Layers


class PreviewSchedule(Body):
    """Layers, and a range."""

    model_config = example({"timezone": "Europe/Berlin", "layers": []})

    timezone: ZoneName
    layers: Layers
    from_: Timestamp | None = Field(None, alias="from", description="absent: now")
    to: Timestamp | None = Field(
        None, description="at most 400 days after `from`; absent: 30 days after it"
    )


class ShiftUser(ResponseModel):
    """A user by name. The name remains when the user is deactivated."""

    id: str
    name: str


class ScheduleUser(ShiftUser):
    """A member of a schedule. Users who left have no shifts after that time."""

    left_at: Timestamp | None = Field(description="when the user was deactivated; else null")


class ScheduleOut(ResponseModel):
    """A schedule."""

    id: str
    name: str
    description: str
    timezone: str
    layers: list[LayerBody]
    users: list[ScheduleUser] = Field(description="the members of all layers")
    ical_created_at: Timestamp | None = Field(
        description="when the secret of the feed was created; null: there is no feed"
    )
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class SchedulesOut(Listed[ScheduleOut]):
    """A page of schedules."""


class ScheduleQuery(PageQuery):
    """Filters of the list."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="exactly"
    )


class MakeOverride(Body):
    """A user who is on call in place of those of the layers."""

    model_config = example(
        {
            "schedule_id": "sch_00000000000000000000000000",
            "user_id": "usr_00000000000000000000000000",
            "start": "2026-04-01T12:00:00Z",
            "end": "2026-04-01T18:00:00Z",
            "reason": "dentist",
        }
    )

    schedule_id: ScheduleId
    user_id: UserId
    start: Timestamp
    end: Timestamp
    reason: str = Field("", max_length=2000)


class OverrideOut(ResponseModel):
    """An override. Of overrides at the same time, the last created has precedence."""

    id: str
    schedule_id: str
    user: ShiftUser
    start: Timestamp
    end: Timestamp
    reason: str
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class OverridesOut(Listed[OverrideOut]):
    """A page of overrides."""


class OverrideQuery(PageQuery):
    """Filters of the list."""

    schedule: ScheduleId | None = Field(None, description="id of a schedule")
    user: UserId | None = Field(None, description="id of a user")
    from_: Timestamp | None = Field(None, alias="from", description="that end after then")
    to: Timestamp | None = Field(None, description="that start before then")


class ContactMethodName(ResponseModel):
    """A contact method of a user, without its address."""

    name: str
    type: Literal["email", "webhook", "slack", "sink"]


class ContactOut(ResponseModel):
    """How to reach a user."""

    email: str
    methods: list[ContactMethodName] = Field(
        description="contact methods that a page uses, the earliest first, without their addresses"
    )


class OnCallUser(ShiftUser):
    """The user on call."""

    contact: ContactOut


class SpanOut(ResponseModel):
    """A part of the final schedule: a user, or a gap with its reason."""

    from_: Timestamp | None = Field(
        alias="from", description="null: more than 800 days ago, or never began"
    )
    until: Timestamp | None = Field(description="null: in more than 800 days, or never")
    source: Literal["layer", "override"] | None = Field(description="null: a gap")
    layer: int | None = Field(description="index of the layer")
    override_id: str | None
    gap: GapReason | None = Field(description="why no user is on call")
    absent: list[ShiftUser] = Field(description="users who would be on call, but were deactivated")


class OnCallOut(SpanOut):
    """The user who is on call for a schedule, or a gap."""

    schedule: str = Field(description="id of the schedule")
    schedule_name: str
    user: OnCallUser | None


class OnCallsOut(Listed[OnCallOut]):
    """The users on call, one for each schedule."""


class OnCallQuery(PageQuery):
    """Time, and filter of the list."""

    at: Timestamp | None = Field(None, description="absent: now")
    schedule: ScheduleId | None = Field(None, description="id of a schedule")


class ShiftOut(SpanOut):
    """A shift or gap, also in the local time of the schedule."""

    from_: Timestamp = Field(alias="from")
    until: Timestamp
    from_local: str = Field(examples=["2027-03-27T09:00:00+01:00"])
    until_local: str = Field(examples=["2027-03-28T09:00:00+02:00"])
    user: ShiftUser | None


class PreviewOut(ResponseModel):
    """The final schedule of a range: contiguous, each instant in one shift or gap."""

    timezone: str
    from_: Timestamp = Field(alias="from")
    to: Timestamp
    data: list[ShiftOut]
    gaps: list[ShiftOut] = Field(description="the gaps of `data`")


class ShiftsOut(PreviewOut):
    """The final schedule of a range, of one schedule."""

    schedule: str = Field(description="id of the schedule")


class ShiftsQuery(Body):
    """The range."""

    from_: Timestamp | None = Field(None, alias="from", description="absent: now")
    to: Timestamp | None = Field(
        None, description="at most 400 days after `from`; absent: 30 days after it"
    )


class FeedOut(ResponseModel):
    """The URL of a feed. Only this answer contains it."""

    schedule_id: str
    url: str
    secret: str
    created_at: Timestamp


class FeedQuery(Body):
    """The parameters in the URL."""

    secret: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="the secret of the feed; without it, the request needs a token"
    )
    user: UserId | None = Field(None, description="only shifts of the user with this id")
