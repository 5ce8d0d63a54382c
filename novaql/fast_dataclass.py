"""`dataclass` as in the standard library, for a class that takes a third of the time to define.

Before Python 3.13, the standard library compiles each method of a dataclass separately from text,
up to seven for a class. A process defines more than 200 classes until its first query is answered,
a fifth of its CPU time. This decorator compiles `__eq__`, `__hash__` and `__repr__` when they are
first called, and `__setattr__` and `__delattr__` of frozen classes never. The measurement is in
docs/decisions.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    from collections.abc import Callable, Mapping
    from reprlib import recursive_repr
    from typing import Any

    class _Factory:
        """The default of a parameter whose field has a factory."""

        def __repr__(self) -> str:
            return "<factory>"

    _MISSING, _FACTORY = dataclasses.MISSING, _Factory()
    _set = object.__setattr__

    def dataclass(
        cls: type | None = None,
        /,
        *,
        frozen: bool = False,
        slots: bool = False,
        eq: bool = True,
        repr: bool = True,
        order: bool = False,
        weakref_slot: bool = False,
    ) -> Any:
        """Define a dataclass, with these options of `dataclasses.dataclass`."""

        def define(cls: type) -> type:
            if order:  # such classes are few
                return dataclasses.dataclass(cls, frozen=frozen, slots=slots, order=True)
            own = set(vars(cls))
            if "__eq__" in own and cls.__hash__ is None:
                own.discard("__hash__")  # Python set it, because the class has `__eq__`
            if not cls.__doc__:
                cls.__doc__ = cls.__name__  # else the standard library derives it from `__init__`
            cls = dataclasses.dataclass(
                cls, init=not frozen, repr=False, eq=False, slots=slots, weakref_slot=weakref_slot
            )
            methods = {}
            if repr:
                methods["__repr__"] = _lazy(cls, "__repr__", _repr)
            if eq:
                methods["__eq__"] = _lazy(cls, "__eq__", _eq)
                methods["__hash__"] = _lazy(cls, "__hash__", _hash) if frozen else None
            if frozen:
                methods |= {"__init__": _init(cls, slots), **_immutability(cls)}
            if frozen and slots:
                methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
            for name in methods.keys() - own:
                setattr(cls, name, methods[name])
            return cls

        return define if cls is None else define(cls)

    def _lazy(cls: type, name: str, compiled: Callable[[type], Any]) -> Any:
        """A method that replaces itself by the compiled one when it is first called."""

        def method(self: Any, *arguments: Any) -> Any:
            made = compiled(cls)
            setattr(cls, name, made)
            return made(self, *arguments)

        method.__name__, method.__qualname__ = name, f"{cls.__qualname__}.{name}"
        return method

    def _eq(cls: type) -> Any:
        mine, others = (_values(cls, instance) for instance in ("self", "other"))
        return _compiled(
            cls,
            "__eq__(self, other)",
            f"if other.__class__ is self.__class__: return {mine} == {others}",
            "return NotImplemented",
        )

    def _hash(cls: type) -> Any:
        return _compiled(cls, "__hash__(self)", f"return hash({_values(cls, 'self')})")

    def _values(cls: type, instance: str) -> str:
        """The text of a tuple of the fields that are compared."""
        compared = [field.name for field in dataclasses.fields(cls) if field.compare]
        return "(" + "".join(f"{instance}.{name}, " for name in compared) + ")"

    def _repr(cls: type) -> Any:
        shown = [field.name for field in dataclasses.fields(cls) if field.repr]
        values = ", ".join(f"{name}={{self.{name}!r}}" for name in shown)
        text = f'return f"{{self.__class__.__qualname__}}({values})"'
        return recursive_repr()(_compiled(cls, "__repr__(self)", text))

    def _init(cls: type, slots: bool) -> Any:
        """`__init__` of a frozen class."""
        names: dict[str, Any] = {"_dataclass_set": _set, "_dataclass_factory": _FACTORY}
        in_order, by_name, body = ["self"], [], []
        for field in dataclasses.fields(cls):
            name, default = field.name, f"_default_{field.name}"
            parameter = value = name
            if field.default_factory is not _MISSING:
                names[default] = field.default_factory
                parameter = f"{name}=_dataclass_factory"
                value = f"{default}()"
                if field.init:
                    value += f" if {name} is _dataclass_factory else {name}"
            elif field.default is not _MISSING:
                names[default] = field.default
                parameter = f"{name}={default}"
                value = name if field.init else default
            if field.init:
                (by_name if field.kw_only else in_order).append(parameter)
            # A field without value or factory is set by `__post_init__` or, without slots, has its
            # default in the class.
            if field.init or field.default_factory is not _MISSING or (slots and default in names):
                body.append(f"_dataclass_set(self, {name!r}, {value})")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        head = ", ".join([*in_order, *(["*", *by_name] if by_name else [])])
        made = _compiled(cls, f"__init__({head})", *(body or ["pass"]), names=names)
        types = {field.name: field.type for field in dataclasses.fields(cls) if field.init}
        made.__annotations__ = types | {"return": None}
        return made

    def _compiled(cls: type, head: str, *body: str, names: Mapping[str, Any] = {}) -> Any:
        """Compile a method.

        head   its name and parameters
        body   its lines
        names  globals of the method
        """
        found: dict[str, Any] = {}
        text = f"def {head}:\n" + "".join(f" {line}\n" for line in body)
        exec(text, {"__name__": cls.__module__, **names}, found)  # noqa: S102
        (made,) = found.values()
        made.__qualname__ = f"{cls.__qualname__}.{made.__name__}"
        return made

    def _immutability(cls: type) -> dict[str, Any]:
        """`__setattr__` and `__delattr__` of a frozen class."""
        names = {field.name for field in dataclasses.fields(cls)}

        def __setattr__(self: Any, name: str, value: Any) -> None:
            if type(self) is cls or name in names:
                raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
            super(cls, self).__setattr__(name, value)

        def __delattr__(self: Any, name: str) -> None:
            if type(self) is cls or name in names:
                raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
            super(cls, self).__delattr__(name)

        return {"__setattr__": __setattr__, "__delattr__": __delattr__}

    def _getstate(self: Any) -> list[Any]:
        """The state of a frozen instance with slots: the values of its fields."""
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def _setstate(self: Any, state: list[Any]) -> None:
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            _set(self, field.name, value)
