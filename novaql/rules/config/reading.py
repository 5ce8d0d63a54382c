"""Reads a configuration: first the types of fields, then the relations between them."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from novaql.fast_dataclass import dataclass
from novaql.rules.config.fields import CONFIG, SCRAPE_CONFIG_FILE, Kind, ListOf, Section, Spec
from novaql.rules.config.relations import check_relations
from novaql.rules.names import Names
from novaql.rules.problems import FileProblems, Problem
from novaql.rules.reading import read_text
from novaql.rules.yaml_nodes import Node, Scalar, YamlText
from novaql.rules.yaml_reader import YamlReader
from novaql.tsdb.model.matchers import compile_regex

_SIZE = re.compile(r"0|(?:[0-9]+(?:\.[0-9]+)?(?:[KMGTPE]i?)?B)+")


@dataclass(frozen=True, slots=True)
class Config:
    """The result of the check of a configuration: the rule files that it names."""

    rule_files: tuple[str, ...]


def read_config_file(path: str | Path, *, names: Names, syntax_only: bool = False) -> Config:
    """Check a configuration and the files it names. Raises `FileProblems`, `OSError`."""
    file = str(path)
    source = YamlText(read_text(path), file)
    reading = _Reading(source)
    root = source.first_document()
    tree = reading.section(root, CONFIG)
    check_relations(reading.yaml, tree, names)
    problems = list(reading.yaml.problems)
    rule_files: list[str] = []
    if not problems and not syntax_only:
        rule_files, missing = _named_files(reading.yaml, tree, "rule_files", file)
        problems += missing
        scrape_files, missing = _named_files(reading.yaml, tree, "scrape_config_files", file)
        problems += missing
        for scrape_file in scrape_files:
            problems += _scrape_file_problems(scrape_file, names)
    if problems:
        raise FileProblems(problems)
    return Config(tuple(rule_files))


def _scrape_file_problems(file: str, names: Names) -> list[Problem]:
    try:
        source = YamlText(read_text(file), file)
        root = source.first_document()
    except FileProblems as found:
        return list(found.problems)
    reading = _Reading(source)
    check_relations(reading.yaml, reading.section(root, SCRAPE_CONFIG_FILE), names)
    return reading.yaml.problems


def _named_files(
    yaml: YamlReader, tree: dict[str, Node], name: str, file: str
) -> tuple[list[str], list[Problem]]:
    """Files that a list of patterns names. A pattern may match no file, but a plain path must
    exist."""
    found: list[str] = []
    missing: list[Problem] = []
    complaints = YamlReader(yaml.source)
    folder = os.path.dirname(file)
    for node in yaml.items(tree.get(name), name):
        pattern = yaml.text(node, name)
        full = os.path.join(folder, pattern)
        matches = sorted(glob.glob(full))
        found += [match for match in matches if match not in found]
        if not matches and not glob.has_magic(pattern):
            complaints.complain(node, f"{full} does not exist")
    missing += complaints.problems
    return found, missing


class _Reading:
    """Walks a file along its specification; problems are appended to `yaml.problems`."""

    def __init__(self, source: YamlText) -> None:
        self.yaml = YamlReader(source)

    def section(self, node: Node | None, section: Section) -> dict[str, Node]:
        fields = self.yaml.fields(node, section.fields, section.what)
        for name, value in fields.items():
            self.value(value, section.fields[name], name)
        return fields

    def value(self, node: Node, spec: Spec, name: str) -> None:
        match spec:
            case Section():
                self.section(node, spec)
            case ListOf(item=item):
                for part in self.yaml.items(node, name):
                    self.value(part, item, f"an item of {name}")
            case Kind():
                self.plain(node, spec, name)

    def plain(self, node: Node, kind: Kind, name: str) -> None:
        yaml = self.yaml
        match kind:
            case Kind.TEXT:
                yaml.text(node, name)
            case Kind.TEXTS:
                yaml.texts(node, name)
            case Kind.DURATION:
                yaml.duration_ms(node, name)
            case Kind.INTEGER:
                yaml.integer(node, name)
            case Kind.NUMBER:
                yaml.number(node, name)
            case Kind.BOOLEAN:
                yaml.boolean(node, name)
            case Kind.TEXT_MAP:
                yaml.text_map(node, name)
            case Kind.PARAMETERS:
                for parameter, values in yaml.fields(node, None, name).items():
                    yaml.texts(values, parameter)
            case Kind.SIZE:
                text = yaml.text(node, name)
                if isinstance(node, Scalar) and not _SIZE.fullmatch(text):
                    yaml.complain(node, f"{name}: {text!r} is no size like 10MB")
            case Kind.REGEX:
                self.regex(node, name)
            case Kind.URL:
                text = yaml.text(node, name)
                if isinstance(node, Scalar) and not _is_url(text):
                    yaml.complain(node, f"{name}: {text!r} is no URL")
            case Kind.ANY:
                pass

    def regex(self, node: Node, name: str) -> None:
        text = self.yaml.text(node, name)
        try:
            compile_regex(text)
        except ValueError as problem:
            self.yaml.complain(node, f"{name}: {text!r} is no regular expression: {problem}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.netloc) or "/" in text or text == ""
    except ValueError:
        return False
