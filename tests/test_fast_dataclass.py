"""`fast_dataclass` against the standard library: the same bodies, defined by both."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from novaql.fast_dataclass import dataclass

Decorator = Callable[..., Any]
OPTIONS = [
    {"frozen": frozen, "slots": slots, "eq": eq, "repr": shown}
    for frozen in (False, True)
    for slots in (False, True)
    for eq in (False, True)
    for shown in (False, True)
]


def plain(decorator: Decorator, options: dict[str, bool]) -> Any:
    @decorator(**options)
    class Plain:
        a: int
        b: list[int] = dataclasses.field(default_factory=list)
        c: float = dataclasses.field(default=2.5, compare=False)
        d: str = dataclasses.field(default="d", repr=False)
        e: int = dataclasses.field(default=7, init=False)
        f: list[int] = dataclasses.field(default_factory=list, init=False)
        g: int = dataclasses.field(kw_only=True)

    return Plain


def checked(decorator: Decorator, options: dict[str, bool]) -> Any:
    @decorator(**options)
    class Base:
        """A class with its own methods, and a field that `__post_init__` sets."""

        a: int
        known: int = dataclasses.field(default=0, init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "known", self.a + 1)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Base) and abs(self.a) == abs(other.a)

        def __repr__(self) -> str:
            return f"<{self.a}>"

    return Base


def derived(decorator: Decorator, options: dict[str, bool]) -> Any:
    @decorator(**options)
    class Base:
        span: int = dataclasses.field(default=3, compare=False, repr=False, kw_only=True)

    @decorator(**options)
    class Derived(Base):
        a: int
        g: int = 1

        def __hash__(self) -> int:
            return 12

    return Derived


def bare(decorator: Decorator, options: dict[str, bool]) -> Any:
    @decorator(**options)
    class Bare:
        """No fields."""

    return Bare


def outcome(act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return act(*arguments, **named)
    except (TypeError, AttributeError) as problem:
        return type(problem), str(problem)


def seen(made: Any) -> list[Any]:
    """What a caller can see of a class."""
    given: list[dict[str, Any]] = [
        {"a": 1, "g": 2},
        {"a": -1, "g": 2},
        {"a": 1, "b": [1], "c": 1.0, "g": 2},
        {},
    ]
    instances = [outcome(made, **one) for one in given]
    whole = [one for one in instances if isinstance(one, made)]
    found: list[Any] = [
        str(inspect.signature(made)),
        made.__match_args__,
        getattr(made, "__slots__", None),
        made.__hash__ is None,
        [(f.name, f.type, f.init, f.repr, f.compare, f.kw_only) for f in dataclasses.fields(made)],
        [one for one in instances if one not in whole],
    ]
    for one in whole:
        found += [dataclasses.asdict(one), [one == other for other in whole], one != object()]
        found.append("0x" in repr(one) or repr(one))
        found.append(made.__hash__ is object.__hash__ or outcome(hash, one))
        found.append("a" not in made.__match_args__ or outcome(setattr, one, "a", 3))
        if not hasattr(made, "__slots__"):  # there, the standard library's error is a bug of 3.11
            found.append(outcome(setattr, one, "nothing", 3))
        found.append(outcome(made, 1, 2, 3, 4, 5, 6))
    if whole and "a" in made.__match_args__:
        changed = outcome(dataclasses.replace, whole[-1], a=5)
        found.append(changed.a if isinstance(changed, made) else changed)
        found.append(outcome(delattr, changed, "a"))
        found.append(outcome(getattr, changed, "a"))
    return found


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: str(list(options.values())))
@pytest.mark.parametrize("body", [plain, checked, derived, bare])
def test_a_class_is_as_the_standard_library_defines_it(
    body: Callable[[Decorator, dict[str, bool]], Any], options: dict[str, bool]
) -> None:
    assert seen(body(dataclass, options)) == seen(body(dataclasses.dataclass, options))


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Stored:
    a: int
    b: Any = None


@dataclass(frozen=True)
class StoredInDict:
    a: int
    b: Any = None


@pytest.mark.parametrize("kind", [Stored, StoredInDict])
def test_instances_are_pickled(kind: Any) -> None:
    assert pickle.loads(pickle.dumps(kind(1, [2]))) == kind(1, [2])


def test_an_instance_with_a_weak_reference() -> None:
    one = Stored(1)
    assert weakref.ref(one)() is one


def test_an_instance_that_contains_itself_is_shown() -> None:
    inner: list[Any] = []
    one = Stored(1, inner)
    inner.append(one)
    assert repr(one) == "Stored(a=1, b=[...])"


def test_ordered_classes() -> None:
    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        a: int

    assert Ordered(1) < Ordered(2)


def test_a_method_is_compiled_at_its_first_call() -> None:
    @dataclass(frozen=True, slots=True)
    class Lazy:
        a: int

    before = {name: getattr(Lazy, name) for name in ("__eq__", "__hash__", "__repr__")}
    assert (Lazy(1) == Lazy(1), hash(Lazy(1)) == hash((1,))) == (True, True)
    assert repr(Lazy(1)).endswith("Lazy(a=1)")
    assert all(getattr(Lazy, name) is not method for name, method in before.items())
    # A reference to the method that was replaced works, too.
    assert before["__eq__"](Lazy(1), Lazy(2)) is False


def test_tracebacks_and_help_name_the_class() -> None:
    assert Stored.__init__.__qualname__ == "Stored.__init__"
    assert Stored.__init__.__module__ == Stored.__module__
    assert sys.modules[Stored.__module__].Stored is Stored
