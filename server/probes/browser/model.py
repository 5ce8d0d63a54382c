"""A browser flow: a target, and the steps that a browser takes there.

The steps are a small language without scripts of users. `Flow` is strict: unknown fields, wrong
types and values beyond the bounds are errors of pydantic.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urljoin

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_STEPS = 50
MAX_SCREENSHOTS = 10
FAILURE_SCREENSHOT = "failure"


def _http_url(url: str) -> str:
    """Return a URL that a flow may open. Raises `ValueError`."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise ValueError("this is not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the URL must begin with http:// or https://")
    if parsed.userinfo:
        raise ValueError("the URL must not hold a user name")
    return url


def _url_or_path(url: str) -> str:
    """Like `_http_url`; a path beginning with one `/` is relative to the target."""
    if url.startswith("/") and not url.startswith(("//", "/\\")):
        return url
    return _http_url(url)


Url = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_http_url)]
UrlOrPath = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_url_or_path)]
Selector = Annotated[str, Field(min_length=1, max_length=500)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class _Step(BaseModel):
    """What all steps share."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Goto(_Step):
    """Open a URL, or a path of the target, and wait until the document has loaded."""

    action: Literal["goto"]
    url: UrlOrPath


class Click(_Step):
    """Click the middle of the first visible element of a CSS selector."""

    action: Literal["click"]
    selector: Selector


class Fill(_Step):
    """Replace the value of a field by a text or by a secret."""

    action: Literal["fill"]
    selector: Selector
    value: Annotated[str, Field(max_length=4096)] | None = None
    secret: SecretName | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Fill:
        if (self.value is None) == (self.secret is None):
            raise ValueError("fill requires either a value or a secret")
        return self


class Wait(_Step):
    """Wait until an element is visible, or for a number of seconds."""

    model_config = ConfigDict(populate_by_name=True)

    action: Literal["wait"]
    selector: Selector | None = None
    seconds: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] | None = Field(
        default=None, alias="for"
    )

    @model_validator(mode="after")
    def _one_condition(self) -> Wait:
        if (self.selector is None) == (self.seconds is None):
            raise ValueError("wait requires either a selector or for")
        return self


class ExpectText(_Step):
    """Wait until the document, or an element, shows a text."""

    action: Literal["expect_text"]
    text: Text
    selector: Selector | None = None


class ExpectUrl(_Step):
    """Wait until the document has a URL, or one that contains a text."""

    action: Literal["expect_url"]
    url: UrlOrPath | None = None
    contains: Text | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> ExpectUrl:
        if (self.url is None) == (self.contains is None):
            raise ValueError("expect_url requires either url or contains")
        return self


class Screenshot(_Step):
    """Capture the visible part of the document. Elements of `mask` are invisible in it."""

    action: Literal["screenshot"]
    name: Name
    mask: Annotated[list[Selector], Field(max_length=20)] = Field(default_factory=list)


Step = Annotated[
    Goto | Click | Fill | Wait | ExpectText | ExpectUrl | Screenshot, Field(discriminator="action")
]


class Flow(BaseModel):
    """The steps of one check. A flow whose first step is not `goto` begins at the target."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    target: Url
    steps: Annotated[list[Step], Field(max_length=MAX_STEPS)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _screenshots_are_few_and_differ(self) -> Flow:
        names = [step.name for step in self.steps if isinstance(step, Screenshot)]
        if len(names) > MAX_SCREENSHOTS:
            raise ValueError(f"a flow has at most {MAX_SCREENSHOTS} screenshots")
        if len(set(names)) < len(names):
            raise ValueError("two screenshots have the same name")
        if FAILURE_SCREENSHOT in names:
            raise ValueError(f"{FAILURE_SCREENSHOT} is the name of the screenshot of a failed step")
        return self

    def planned(self) -> list[Step]:
        """Return the steps to run: they begin with `goto`."""
        if self.steps and isinstance(self.steps[0], Goto):
            return list(self.steps)
        return [Goto(action="goto", url=self.target), *self.steps]

    def absolute(self, url: str) -> str:
        """Return a URL of a step, relative to the target."""
        return urljoin(self.target, url)

    def secret_names(self) -> set[str]:
        """Return the names of the secrets that the steps require."""
        return {s.secret for s in self.steps if isinstance(s, Fill) and s.secret is not None}

    def masks(self) -> list[str]:
        """Return the selectors that any screenshot of this flow masks."""
        found = [m for step in self.steps if isinstance(step, Screenshot) for m in step.mask]
        return list(dict.fromkeys(found))
