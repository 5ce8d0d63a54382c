"""Screenshots: signed URLs that expire, and the pictures behind them."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from novaql.server.clock import from_ms, to_ms
from novaql.server.crypto.sealing import SealingKeys
from novaql.server.db.unit import Unit
from novaql.server.errors import Forbidden, Gone
from novaql.server.synthetics.schema import ScreenshotOut, ScreenshotQuery
from novaql.server.synthetics.tables import SyntheticScreenshot
from novaql.server.tenants.context import ServerContext

PURPOSE = "synthetic-screenshot"


def of_results(unit: Unit, ids: Iterable[str], base_url: str) -> dict[str, list[ScreenshotOut]]:
    """Return the screenshots of results, each with a URL that is valid for a while."""
    until = unit.now() + timedelta(seconds=unit.settings.screenshot_url_s)
    statement = select(
        SyntheticScreenshot.id, SyntheticScreenshot.result_id, SyntheticScreenshot.name
    ).where(SyntheticScreenshot.result_id.in_(list(ids)))
    found: dict[str, list[ScreenshotOut]] = {}
    for key, result_id, name in unit.session.execute(statement.order_by(SyntheticScreenshot.id)):
        signature = signatures(unit.keys, unit.tenant_id, key, until)[0]
        url = (
            f"{base_url}/v1/synthetics/screenshots/{key}"
            f"?expires={to_ms(until)}&signature={signature}"
        )
        shot = ScreenshotOut(name=name, url=url, expires_at=until)
        found.setdefault(result_id, []).append(shot)
    return found


def signatures(keys: SealingKeys, tenant_id: str, key: str, expires: datetime) -> list[str]:
    """Return the signatures of a URL, one for each master key: the first is the current one."""
    signed = f"GET\n{tenant_id}\n{key}\n{to_ms(expires)}".encode()
    return [hmac.new(k, signed, "sha256").hexdigest() for k in keys.signing_keys(PURPOSE)]


def opened(context: ServerContext, key: str, query: ScreenshotQuery) -> bytes:
    """Return the picture of a signed URL. Raises `Forbidden` and `Gone`."""
    refused = Forbidden("this URL opens nothing", code="invalid_signature")
    try:
        expires = from_ms(int(query.expires))
    except ValueError:
        raise refused from None
    if query.expires != str(to_ms(expires)):  # `int` also reads `0001`, `+1` and `1_0`
        raise refused
    with context.database.read(None) as session:
        shot = session.get(SyntheticScreenshot, key)
        if shot is None:
            raise refused
        good = [
            hmac.compare_digest(one.encode(), query.signature.encode())
            for one in signatures(context.keys, shot.tenant_id, shot.id, expires)
        ]
        if not any(good):
            raise refused
        if context.clock.now() >= expires:
            raise Gone("this URL has expired; request the results again", code="url_expired")
        return bytes(shot.content)
