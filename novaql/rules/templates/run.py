"""Runs a template: bounded in steps and output, with access to its values only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import CO_VARARGS
from types import CodeType
from typing import Any

from novaql.model.float_histogram import FloatHistogram
from novaql.rules.templates.nodes import (
    Body,
    Dot,
    Fields,
    Function,
    If,
    Include,
    Leave,
    Literal,
    Operand,
    Outer,
    Pipeline,
    Range,
    Show,
    Template,
    Variable,
    With,
)
from novaql.rules.templates.problems import MOST_CHARACTERS, TemplateFailure
from novaql.rules.templates.values import LabelMap, Record, go_type, shown, truth
from novaql.rules.templates.work import STEP_WORK, VARIABLE_WORK, TemplateWork

MOST_STEPS = 100_000
_MOST_DEPTH = 40
_HISTOGRAM_FIELDS: dict[str, Callable[[FloatHistogram], Any]] = {
    "Schema": lambda h: h.schema,
    "Count": lambda h: h.count,
    "Sum": lambda h: h.sum,
    "ZeroCount": lambda h: h.zero_count,
    "ZeroThreshold": lambda h: h.zero_threshold,
}

_NOTHING = object()


class _LeaveLoop(Exception):
    def __init__(self, again: bool) -> None:
        self.again = again


def run_template(
    template: Template,
    data: Any,
    functions: Mapping[str, Callable[..., Any]],
    variables: Mapping[str, Any],
    work: TemplateWork,
) -> str:
    """The result of the template. Raises `TemplateFailure`, and what `work` raises."""
    work.begin()
    run = _Run(template, functions, work)
    run.body(template.body, data, [("$", data), *variables.items()])
    return "".join(run.out)


class _Run:
    def __init__(
        self,
        template: Template,
        functions: Mapping[str, Callable[..., Any]],
        work: TemplateWork,
    ) -> None:
        self.work = work
        self.template = template
        self.functions = functions
        self.out: list[str] = []
        self.written = 0
        self.steps = 0
        self.depth = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TemplateFailure(f"the template takes more than {MOST_STEPS} steps")
        self.work.charge(STEP_WORK)

    def write(self, text: str) -> None:
        self.written += len(text)
        self.work.charge(len(text))
        if self.written > MOST_CHARACTERS:
            raise TemplateFailure(f"the template returns more than {MOST_CHARACTERS} characters")
        self.out.append(text)

    # --- nodes -----------------------------------------------------------------------------

    def body(self, body: Body, dot: Any, variables: list[tuple[str, Any]]) -> None:
        known = len(variables)
        for node in body:
            self.step()
            match node:
                case Outer(text=text):
                    self.write(text)
                case Show(pipeline=pipeline):
                    value = self.pipeline(pipeline, dot, variables)
                    if not pipeline.declared:
                        self.write("<no value>" if value is None else shown(value))
                case If():
                    self.choice(node, dot, variables, moves_dot=False)
                case With():
                    self.choice(node, dot, variables, moves_dot=True)
                case Range():
                    self.loop(node, dot, variables)
                case Leave(again=again):
                    raise _LeaveLoop(again)
                case Include(name=name, pipeline=pipeline_or_none):
                    given = (
                        None
                        if pipeline_or_none is None
                        else self.pipeline(pipeline_or_none, dot, variables)
                    )
                    self.include(name, given)
        del variables[known:]

    def choice(
        self, node: If | With, dot: Any, variables: list[tuple[str, Any]], *, moves_dot: bool
    ) -> None:
        known = len(variables)
        value = self.pipeline(node.pipeline, dot, variables)
        if truth(value):
            self.body(node.body, value if moves_dot else dot, variables)
        else:
            self.body(node.otherwise, dot, variables)
        del variables[known:]

    def loop(self, node: Range, dot: Any, variables: list[tuple[str, Any]]) -> None:
        known = len(variables)
        names = node.pipeline.declared
        over = self.pipeline(node.pipeline, dot, variables, declares=False)
        went = False
        for key, value in _pairs(over):
            went = True
            self.step()
            inside = (value,) if len(names) == 1 else (key, value)
            for name, item in zip(names, inside, strict=False):
                self.set(name, item, variables, made=not node.pipeline.assigned)
            try:
                self.body(node.body, value, variables)
            except _LeaveLoop as leave:
                if not leave.again:
                    break
            finally:
                del variables[known:]
        if not went:
            self.body(node.otherwise, dot, variables)
        del variables[known:]

    def include(self, name: str, given: Any) -> None:
        body = self.template.defined.get(name)
        if body is None:
            raise TemplateFailure(f"there is no template {name!r}")
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise TemplateFailure("templates include each other too deeply")
        self.body(body, given, [("$", given)])
        self.depth -= 1

    # --- values ----------------------------------------------------------------------------

    def set(self, name: str, value: Any, variables: list[tuple[str, Any]], *, made: bool) -> None:
        if made:
            variables.append((name, value))
            return
        self.work.charge(VARIABLE_WORK * len(variables))
        places = [place for place, (known, _) in enumerate(variables) if known == name]
        if not places:
            raise TemplateFailure(f"there is no variable {name} to set")
        variables[places[-1]] = (name, value)

    def pipeline(
        self,
        pipeline: Pipeline,
        dot: Any,
        variables: list[tuple[str, Any]],
        *,
        declares: bool = True,
    ) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            value = self.command(command, value, dot, variables)
        for name in pipeline.declared if declares else ():
            self.set(name, value, variables, made=not pipeline.assigned)
        return value

    def command(
        self,
        command: tuple[Operand, ...],
        piped: Any,
        dot: Any,
        variables: list[tuple[str, Any]],
    ) -> Any:
        self.step()
        first, *rest = command
        if not isinstance(first, Function):
            if rest or piped is not _NOTHING:
                raise TemplateFailure("arguments for what is no function")
            if first == Literal(None):
                raise TemplateFailure("nil is no command")
            return self.value(first, dot, variables)
        if first.name in ("and", "or"):
            return self.short_circuit(first.name, rest, piped, dot, variables)
        arguments = [self.value(operand, dot, variables) for operand in rest]
        if piped is not _NOTHING:
            arguments.append(piped)
        return self.call(first.name, arguments)

    def call(self, name: str, arguments: list[Any]) -> Any:
        function = self.functions[name]
        if not _takes(function.__code__, len(arguments)):
            raise TemplateFailure(f"{name} does not take {len(arguments)} arguments")
        self.work.charge(sum(len(a) for a in arguments if isinstance(a, (str, list, dict))))
        try:
            value = function(*arguments)
        except TemplateFailure as failure:
            raise TemplateFailure(f"error calling {name}: {failure}") from None
        if isinstance(value, str):
            self.work.charge(len(value))
            if len(value) > MOST_CHARACTERS:
                raise TemplateFailure(f"{name} returns more than {MOST_CHARACTERS} characters")
        return value

    def short_circuit(
        self, name: str, rest: list[Operand], piped: Any, dot: Any, variables: list[tuple[str, Any]]
    ) -> Any:
        if not rest and piped is _NOTHING:
            raise TemplateFailure(f"{name} needs an argument")
        value: Any = None
        for operand in rest:
            value = self.value(operand, dot, variables)
            if truth(value) == (name == "or"):
                return value
        return value if piped is _NOTHING else piped

    def value(self, operand: Operand, dot: Any, variables: list[tuple[str, Any]]) -> Any:
        match operand:
            case Literal(value=value):
                return value
            case Dot():
                return dot
            case Variable(name=name):
                self.work.charge(VARIABLE_WORK * len(variables))
                for known, value in reversed(variables):
                    if known == name:
                        return value
                raise TemplateFailure(f"there is no variable {name}")
            case Function(name=name):
                return self.command((operand,), _NOTHING, dot, variables)
            case Pipeline():
                return self.pipeline(operand, dot, variables)
            case Fields(operand=inner, names=names):
                value = self.value(inner, dot, variables)
                for name in names:
                    value = _field(value, name)
                return value


def _takes(code: CodeType, count: int) -> bool:
    """Whether a function of the table can be called with a number of arguments; none has
    defaults."""
    fixed = code.co_argcount
    return count >= fixed if code.co_flags & CO_VARARGS else count == fixed


def _field(value: Any, name: str) -> Any:
    if isinstance(value, LabelMap):
        return value.get(name, "")
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, Record) and name in value.fields:
        return value.fields[name]
    if isinstance(value, FloatHistogram) and name in _HISTOGRAM_FIELDS:
        return _HISTOGRAM_FIELDS[name](value)
    raise TemplateFailure(f"there is no field {name} in {go_type(value)}")


def _pairs(over: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(over, dict):
        yield from ((key, over[key]) for key in sorted(over))
    elif isinstance(over, list):
        yield from enumerate(over)
    elif isinstance(over, int) and not isinstance(over, bool):
        yield from ((i, i) for i in range(over))
    elif over is not None:
        raise TemplateFailure(f"range cannot go over {go_type(over)}")
