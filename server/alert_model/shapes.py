"""Types of fields that models of several domains share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Text = Annotated[str, Field(max_length=10_000)]
Labels = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Text], Field(max_length=64)
]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]
