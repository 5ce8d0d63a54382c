"""The tree of a template."""

from __future__ import annotations

from typing import Any

from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, true, false or nil."""

    value: Any


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: the current value."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`; `$` alone is the value passed to the template."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    name: str


@dataclass(frozen=True, slots=True)
class Fields:
    """`operand.a.b`; `.a` has a `Dot` as operand."""

    operand: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands; the value of each is passed to the next as its last argument.

    declared  names of variables that get the value
    assigned  whether they exist already (`=`) or are declared (`:=`)
    """

    commands: tuple[tuple[Operand, ...], ...]
    declared: tuple[str, ...] = ()
    assigned: bool = False
    position: int = 0


Operand = Literal | Dot | Variable | Function | Fields | Pipeline


@dataclass(frozen=True, slots=True)
class Outer:
    """Literal text."""

    text: str


@dataclass(frozen=True, slots=True)
class Show:
    """`{{ pipeline }}`; nothing is shown if it sets variables."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """An action with a body, and another one for `else`."""

    pipeline: Pipeline
    body: Body
    otherwise: Body


class If(Branch):
    """`{{ if pipeline }}`"""


class With(Branch):
    """`{{ with pipeline }}`"""


class Range(Branch):
    """`{{ range pipeline }}`"""


@dataclass(frozen=True, slots=True)
class Leave:
    """`break` (or `continue`, if `again`)."""

    again: bool


@dataclass(frozen=True, slots=True)
class Include:
    """`{{ template "name" pipeline }}`"""

    name: str
    pipeline: Pipeline | None


Node = Outer | Show | If | With | Range | Leave | Include
Body = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """The body, and the bodies of `define` and `block` by name."""

    body: Body
    defined: dict[str, Body]
