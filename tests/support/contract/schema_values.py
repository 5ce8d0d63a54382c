"""Values at both sides of the bounds of a JSON schema, at every place of a body."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

Schema = Mapping[str, Any]
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FORMATS = FormatChecker(formats=())
ODD_TEXTS = ("", " ", "\n", "a\n", "\na", "é", "a b", "a/b", "-", "!", "a,b", "@", "٣", "٣s", "0.٣")
"""Texts that some patterns reject."""
_KNOWN = {"anyOf", "oneOf", "discriminator"}


@dataclass(frozen=True)
class Place:
    """A value in a body.

    pointer  its JSON pointer
    schema   its schema in the document, one branch of a union
    allows   whether the document allows a value there, by any branch
    whole    the body with a value there, valid everywhere else
    """

    pointer: str
    schema: Schema
    allows: Callable[[Any], bool]
    whole: Callable[[Any], Any]


class Values:
    """Values for the schemas of one document. `document` is a copy whose patterns are Python's."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = self._document = copy.deepcopy(dict(document))
        for part in _parts(self._document):
            if isinstance(part.get("pattern"), str):
                part["pattern"] = _in_python(part["pattern"])

    def places(self, schema: Schema, example: Any = None) -> Iterator[Place]:
        """Every place in a value of the schema. `example` is a valid value."""
        return self._places(schema, "", lambda value: value, example, ())

    def tries(self, place: Place) -> Iterator[tuple[bool, Any]]:
        """Values at the edges of what is allowed, and beyond; each with whether it is allowed."""
        schema = place.schema
        tried = [
            *self._edges(schema),
            *self._beyond(schema),
            None,
            [],
            {},
            1.5,
            -1,
            True,
            *ODD_TEXTS,
        ]
        for value in tried:
            yield place.allows(value), value

    def _places(
        self,
        schema: Schema,
        pointer: str,
        whole: Callable[[Any], Any],
        example: Any,
        within: tuple[str, ...],
    ) -> Iterator[Place]:
        reference = schema.get("$ref", "")
        if reference in within:
            return  # a recursive schema: its places are covered already
        within += (reference,) if reference else ()
        allows = self.validator(schema).is_valid
        for branch in self._branches(schema):
            if branch.get("type") == "null":
                continue
            yield Place(pointer, branch, allows, whole)
            if branch.get("type") == "array" and "items" in branch:
                first = example[0] if isinstance(example, list) and example else None
                yield from self._places(
                    branch["items"], f"{pointer}/0", _in_list(whole), first, within
                )
            if branch.get("type") != "object":
                continue
            base = example if self._fits(branch, example) else self.least(branch)
            for name, inner in branch.get("properties", {}).items():
                if "const" in inner:
                    continue  # it identifies the branch
                yield from self._places(
                    inner,
                    f"{pointer}/{name}",
                    _in_object(whole, base, name),
                    base.get(name),
                    within,
                )
            if isinstance(branch.get("additionalProperties"), dict):
                yield from self._places(
                    branch["additionalProperties"],
                    f"{pointer}/key",
                    _in_object(whole, {}, "key"),
                    None,
                    within,
                )

    def validator(self, schema: Schema) -> Draft202012Validator:
        """The validator of a schema of the document."""
        whole = {**schema, "components": self._document["components"]}
        return Draft202012Validator(whole, format_checker=_FORMATS)

    def resolved(self, schema: Schema) -> Schema:
        """The schema that a reference leads to."""
        while "$ref" in schema:
            found: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = {**found, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema

    def least(self, schema: Schema) -> Any:
        """The smallest value that a schema allows."""
        (branch, *_) = self._branches(schema)
        if "const" in branch:
            return branch["const"]
        if "enum" in branch:
            return branch["enum"][0]
        if branch.get("examples"):
            return branch["examples"][0]
        match branch.get("type"):
            case "string":
                return text_of(branch, max(branch.get("minLength", 1), 1)) or "a"
            case "integer" | "number":
                return branch.get("minimum", branch.get("exclusiveMinimum", 0) + 1)
            case "boolean":
                return False
            case "array":
                return [self.least(branch["items"]) for _ in range(branch.get("minItems", 0))]
            case "object":
                properties = branch.get("properties", {})
                return {name: self.least(properties[name]) for name in branch.get("required", ())}
        return 1

    def _branches(self, schema: Schema) -> list[Schema]:
        schema = self.resolved(schema)
        several = schema.get("anyOf") or schema.get("oneOf")
        if several is None:
            return [schema]
        shared = {key: value for key, value in schema.items() if key not in _KNOWN}
        return [
            found
            for branch in several
            for found in self._branches({**self.resolved(branch), **shared})
        ]

    def _fits(self, branch: Schema, example: Any) -> bool:
        return isinstance(example, dict) and self.validator(branch).is_valid(example)

    def _edges(self, schema: Schema) -> Iterator[Any]:
        if "enum" in schema:
            yield from schema["enum"]
            return
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        match schema.get("type"):
            case "string" if schema.get("format") == "date-time":
                yield from ("2026-04-01T12:00:00Z", "2026-04-01t12:00:00.123+02:00")
            case "string":
                lengths = [least, least + 1, *([] if most is None else [most - 1, most])]
                yield from filter(None, (text_of(schema, length) for length in lengths))
            case "integer" | "number":
                bounds = (schema.get("minimum"), schema.get("maximum"))
                yield from (bound for bound in bounds if bound is not None)
            case "boolean":
                yield from (True, False)
            case "array":
                for count in (schema.get("minItems", 0), schema.get("maxItems")):
                    if count is not None:
                        yield [self.least(schema["items"])] * count
            case "object" if isinstance(schema.get("additionalProperties"), dict):
                yield self._many(schema, schema.get("maxProperties", 1))

    def _beyond(self, schema: Schema) -> Iterator[Any]:
        if "enum" in schema:
            yield from ("no such choice", *(str(choice).upper() for choice in schema["enum"]))
        match schema.get("type"):
            case "string" if schema.get("format") == "date-time":
                yield from ("2026-04-01", "2026-13-01T00:00:00Z", "2026-04-01T12:00:00", "now")
            case "string":
                for length in (schema.get("minLength", 0) - 1, schema.get("maxLength", -2) + 1):
                    if length >= 0:
                        yield text_of(schema, length) or "a" * length
            case "integer" | "number":
                for name, by in (
                    *(("minimum", -1), ("maximum", 1)),
                    *(("exclusiveMinimum", 0), ("exclusiveMaximum", 0)),
                ):
                    if name in schema:
                        yield schema[name] + by
            case "array":
                counts = schema.get("minItems", 0) - 1, schema.get("maxItems", -2) + 1
                yield from ([self.least(schema["items"])] * n for n in counts if n >= 0)
            case "object" if "maxProperties" in schema:
                yield self._many(schema, schema["maxProperties"] + 1)

    def _many(self, schema: Schema, count: int) -> dict[str, Any]:
        (values,) = schema.get(
            "patternProperties", {"": schema.get("additionalProperties")}
        ).values()
        return {f"k{n}": self.least(values) for n in range(count)}


def text_of(schema: Schema, length: int) -> str | None:
    """A text of this length that matches the schema's pattern; None if none is known."""
    for begin, fill, end in _SHAPES:
        body = length - len(begin) - len(end)
        text = begin + (fill * length)[: max(body, 0)] + end
        if len(text) == length and re.search(schema.get("pattern", ""), text):
            return text
    return None


_SHAPES = (
    *(("", "a", ""), ("a@", "b", ""), ("https://a.b/", "c", ""), ("esc_", "a", "")),
    *(("", "1", ""), ("0.", "9", ""), ("", "1s", ""), ("", "1", "s"), ("1", "1s", "")),
    *(("whsec_", "A", ""), ("whsec_", "A", "A=="), ("whsec_", "A", "AA="), ('W/"1', "1", '"')),
    *(("", "01:2", "3"), ("", "1", "d"), ("", "1:3", "1"), ("incident.", "c", "")),
)


def _in_object(
    whole: Callable[[Any], Any], base: Mapping[str, Any], name: str
) -> Callable[[Any], Any]:
    return lambda value: whole({**base, name: value})


def _in_list(whole: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: whole([value])


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


def _in_python(pattern: str) -> str:
    """A pattern of JSON Schema, whose `$` is the very end also before a newline."""
    return re.sub(r"\$$", r"\\Z", pattern)


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return _TIME.fullmatch(value) is not None and value[5:7] <= "12"


_FORMATS.checkers["date-time"] = (_is_time, ())
