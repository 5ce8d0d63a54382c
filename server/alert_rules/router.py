"""/v1/alert-rules."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response
from sqlalchemy import select

from novaql.rules import Group
from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules import files, service
from novaql.server.alert_rules.checks import checked_patch, checked_rule
from novaql.server.alert_rules.schema import (
    ExportQuery,
    ImportedRulesOut,
    ImportRules,
    RuleBody,
    RuleOut,
    RulePatch,
    RuleQuery,
    RulesOut,
)
from novaql.server.alert_rules.showing import shown_rules
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.db.unit import Unit
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    IfMatch,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.pagination import Key, equal_to
from novaql.server.http.routing import api_router, audited, cached

router = api_router("/v1/alert-rules", "alerts")

KEYS = (Key(AlertRule.created_at), Key(AlertRule.id))
_FILTERS = ("type", "name", "service", "severity", "health", "paused")


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_rules(unit: UnitOfWork, pages: Pages, query: Annotated[RuleQuery, Query()]) -> RulesOut:
    """The rules, with their thresholds, routing and current states."""
    statement = select(AlertRule).where(*equal_to(AlertRule, query, *_FILTERS))
    for name, column in (("file", RuleGroup.file), ("group", RuleGroup.name)):
        if (wanted := getattr(query, name)) is not None:
            groups = select(RuleGroup.id).where(column == wanted)
            statement = statement.where(AlertRule.group_id.in_(groups))
    page = pages.page(unit, statement, KEYS, query)
    return RulesOut(data=shown_rules(unit, page.rows), next_cursor=page.next_cursor)


@router.post("", status_code=201, dependencies=[OPERATOR, Depends(checked_rule)])
@audited("alert_rule.create")
def create_rule(unit: UnitOfWork, body: RuleBody, response: Response) -> RuleOut:
    """Create a rule.

    The server evaluates it at once, and then at its interval. An expression that does not parse or
    does not return an instant vector is a 422; a parse error has line and column. Recording rules
    have `type: recording`.
    """
    rule = service.create(unit, body)
    response.headers["Location"] = f"/v1/alert-rules/{rule.id}"
    return _one(unit, rule)


@router.post("/import", dependencies=[OPERATOR])
@audited("alert_rule.import")
def import_rules(
    unit: UnitOfWork,
    body: ImportRules,
    groups: Annotated[tuple[Group, ...], Depends(files.checked_groups)],
) -> ImportedRulesOut:
    """Import a Prometheus rule file: its recording and alerting rules, in their groups.

    The file replaces an earlier import with the same name. A rule whose name, group and labels are
    unchanged retains its id and its alerts. If the file has problems, the answer reports all of
    them, each with line and column, and nothing changes.
    """
    return files.import_file(unit, body, groups)


@router.get(
    "/export",
    dependencies=[READ_ONLY],
    response_model=None,
    response_class=Response,
    responses={
        200: {"content": {"application/yaml": {}}},
        404: {"description": "No file with this name was imported"},
    },
)
@cached(by="rows")
def export_rules(unit: UnitOfWork, query: Annotated[ExportQuery, Query()]) -> Response:
    """The rules of one file, or all rules, as a Prometheus rule file.

    The file omits settings that Prometheus does not have: policies for missing data, and channels.
    """
    text = files.export_yaml(unit, query.file)
    headers = {"Cache-Control": "no-store"}
    return Response(text, media_type="application/yaml", headers=headers)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_rule(unit: UnitOfWork, id: ResourceId) -> RuleOut:
    """One rule."""
    return _one(unit, unit.get(AlertRule, id, "alert_rule"))


@router.patch(
    "/{id}",
    dependencies=[OPERATOR],
    responses={
        409: {"description": "The rule has another version, or belongs to an objective"},
        422: {"description": "The rule cannot be evaluated, or names something unknown"},
    },
)
@audited("alert_rule.update")
def change_rule(
    unit: UnitOfWork,
    id: ResourceId,
    body: RulePatch,
    seen: IfMatch,
    checked_version: Annotated[int, Depends(checked_patch)],
) -> RuleOut:
    """Change a rule, from its `version`.

    Alerts whose labels do not change continue. If the new `for` is longer, firing alerts may
    become pending again. `paused: true` ends the rule's alerts and series; `paused: false` resumes
    evaluation.
    """
    return _one(unit, service.change(unit, id, body, seen, checked_version))


@router.delete(
    "/{id}",
    status_code=204,
    dependencies=[OPERATOR],
    responses={409: {"description": "The rule belongs to an objective"}},
)
@audited("alert_rule.delete")
def delete_rule(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete a rule. Its alerts resolve, and its series end."""
    service.remove(unit, id)


def _one(unit: Unit, rule: AlertRule) -> RuleOut:
    (out,) = shown_rules(unit, [rule])
    return out
