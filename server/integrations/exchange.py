"""One request to a provider by the egress dialer: bounded, without redirects, with its reason."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from novaql.fast_dataclass import dataclass
from novaql.server.clock import Clock
from novaql.server.egress.dialer import Dialer
from novaql.server.egress.errors import TargetNotAllowed, Unreachable
from novaql.server.errors import Impossible, InvalidRequest
from novaql.server.http.strict_json import check_values
from novaql.server.integrations.provider import ProviderFault, Reason, Reply

AGENT = "NovaQL-Integrations/1"
_LONGEST_WAIT_S = 3600.0
_REASONS = {"dns": Reason.DNS, "timeout": Reason.TIMEOUT}


@dataclass(frozen=True, slots=True)
class Exchange:
    """Sends requests.

    timeout_s  of a whole request;  most_bytes: of an answer
    """

    dialer: Dialer
    clock: Clock
    timeout_s: float
    most_bytes: int

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        content: Any = None,
        form: Mapping[str, str] | None = None,
        any_status: bool = False,
    ) -> Reply:
        """Return the answer. Raises `ProviderFault`, also for a status that is not 2xx.

        content     a body that is sent as JSON;  form: a body that is sent as a form
        any_status  return answers of any status
        """
        usual = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": AGENT}
        own = {**usual, **(headers or {})}
        options: dict[str, Any] = {"headers": own}
        if params:
            options["params"] = dict(params)
        if form is not None:
            options["data"] = dict(form)
        elif content is not None:
            options["content"] = orjson.dumps(content)
            own["Content-Type"] = "application/json"
        try:
            status, answered, body = self._sent(method, url, options)
        except TargetNotAllowed:
            raise ProviderFault(Reason.BLOCKED, "the address is not public") from None
        except Impossible as problem:
            raise ProviderFault(Reason.BLOCKED, problem.message) from None
        except Unreachable as problem:
            reason = _REASONS.get(problem.reason, Reason.PROVIDER_ERROR)
            raise ProviderFault(reason, str(problem)) from None
        except httpx.TimeoutException:
            raise ProviderFault(Reason.TIMEOUT, f"no answer in {self.timeout_s:g} s") from None
        except httpx.ConnectError as problem:
            text = str(problem).lower()
            if "ssl" in text or "certificate" in text:
                raise ProviderFault(Reason.TLS, "the TLS certificate is not valid") from None
            raise ProviderFault(Reason.PROVIDER_ERROR, "the connection is refused") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError, zlib.error):
            raise ProviderFault(Reason.PROVIDER_ERROR, "the answer is not HTTP") from None
        if not any_status and not 200 <= status < 300:
            raise self.fault_of(status, answered)
        return Reply(status, answered, _parsed(body, lenient=any_status))

    def _sent(
        self, method: str, url: str, options: Mapping[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        with (
            self.dialer.client(timeout_s=self.timeout_s, deadline_s=self.timeout_s) as client,
            client.stream(method, url, **options) as answer,
        ):
            parts, size = [], 0
            for part in _unpacked(answer, self.most_bytes):
                size += len(part)
                if size > self.most_bytes:
                    raise ProviderFault(
                        Reason.PROVIDER_ERROR, f"the answer is larger than {self.most_bytes} bytes"
                    )
                parts.append(part)
            answered = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status_code, answered, b"".join(parts)

    def fault_of(self, status: int, headers: Mapping[str, str]) -> ProviderFault:
        """The fault that a status which is not 2xx means."""
        limited = status == 429 or (
            status == 403
            and (headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers)
        )
        wait = self._wait(headers, limited=limited)
        if limited:
            text = "the provider limits the rate of requests"
            return ProviderFault(Reason.RATE_LIMITED, text, status=status, retry_after_s=wait)
        if status == 401:
            text = "the provider rejects the credentials"
            return ProviderFault(Reason.UNAUTHORIZED, text, status=status)
        if status == 403:
            text = "the credentials do not allow this request"
            return ProviderFault(Reason.FORBIDDEN_SCOPE, text, status=status)
        text = f"the provider answers with status {status}"
        if 300 <= status < 400:
            text += "; redirects are not followed"
        return ProviderFault(Reason.PROVIDER_ERROR, text, status=status, retry_after_s=wait)

    def _wait(self, headers: Mapping[str, str], *, limited: bool) -> float | None:
        """The wait that Retry-After, or the reset of a rate limit, requires, in seconds.

        limited  the limit is the reason: many providers send its reset with every answer
        """
        now = self.clock.now().timestamp()
        text = headers.get("retry-after", "").strip()
        seconds = headers.get("ratelimit-reset", "").strip()
        reset = headers.get("x-ratelimit-reset", "").strip()
        if text.isascii() and text.isdigit():
            found = float(text[:9])
        elif text:
            try:
                found = parsedate_to_datetime(text).timestamp() - now
            except (ValueError, OverflowError):
                return None
        elif not limited:
            return None
        elif seconds.isascii() and seconds.isdigit():
            found = float(seconds[:9])
        elif reset.isascii() and reset.isdigit():
            found = float(reset[:12]) - now
        else:
            return None
        return min(max(found, 1.0), _LONGEST_WAIT_S)


def _unpacked(answer: httpx.Response, most: int) -> Iterator[bytes]:
    """The body in parts, each at most one byte larger than the limit: also a small compressed
    answer can be large."""
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise ProviderFault(Reason.PROVIDER_ERROR, "the answer has an unknown Content-Encoding")
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if coding == "gzip" else None
    for part in answer.iter_raw():
        yield part if unpack is None else unpack.decompress(part, most + 1)
        if unpack is not None and unpack.unused_data:
            text = "the answer goes on after its compressed end"
            raise ProviderFault(Reason.PROVIDER_ERROR, text)


def _parsed(body: bytes, *, lenient: bool) -> Any:
    if not body.strip():
        return None
    try:
        found = orjson.loads(body)
        if rb"\u0000" in body:  # a database stores no text with a NUL character
            check_values(found)
    except (orjson.JSONDecodeError, InvalidRequest) as problem:
        if lenient:
            return None
        stored = isinstance(problem, InvalidRequest)
        text = "the answer contains a NUL character" if stored else "the answer is not JSON"
        raise ProviderFault(Reason.PROVIDER_ERROR, text) from None
    return found
