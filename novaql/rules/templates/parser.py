"""Tokens → tree: the grammar of Go's text/template."""

from __future__ import annotations

from collections.abc import Collection

from novaql.rules.templates.go_literals import character_value, number_value, unquote
from novaql.rules.templates.nodes import (
    Body,
    Dot,
    Fields,
    Function,
    If,
    Include,
    Leave,
    Literal,
    Node,
    Operand,
    Outer,
    Pipeline,
    Range,
    Show,
    Template,
    Variable,
    With,
)
from novaql.rules.templates.problems import TemplateProblem
from novaql.rules.templates.tokens import Kind, Token, tokens

_MOST_DEPTH = 50
_CONSTANTS = {"true": True, "false": False, "nil": None}


def parse_template(text: str, functions: Collection[str], variables: Collection[str]) -> Template:
    """The tree of a template. Raises `TemplateProblem`.

    functions  names that can be called
    variables  names with their $ that exist at the start
    """
    parser = _Parser(text, functions, variables)
    body, _ = parser.body(())
    return Template(body, parser.defined)


class _Parser:
    def __init__(self, text: str, functions: Collection[str], variables: Collection[str]) -> None:
        self.tokens = list(tokens(text))
        self.at = 0
        self.functions = functions
        self.variables = ["$", *variables]
        self.defined: dict[str, Body] = {}
        self.depth = 0
        self.loops = 0

    # --- tokens ----------------------------------------------------------------------------

    def peek(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def skip_blanks(self) -> Token:
        while self.peek().kind is Kind.BLANK:
            self.take()
        return self.peek()

    def is_sign(self, sign: str) -> bool:
        return self.peek().kind is Kind.SIGN and self.peek().text == sign

    def close(self, what: str) -> None:
        token = self.skip_blanks()
        if token.kind is not Kind.CLOSE:
            raise TemplateProblem(token.position, f"unexpected {token.text!r} in {what}")
        self.take()

    # --- structure -------------------------------------------------------------------------

    def body(self, ends: tuple[str, ...]) -> tuple[Body, Token]:
        """Nodes up to an action that begins with one of `ends`, and the word it begins with."""
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise TemplateProblem(self.peek().position, "nested too deeply")
        found: list[Node] = []
        while True:
            token = self.take()
            if token.kind is Kind.END:
                if ends:
                    raise TemplateProblem(token.position, "{{end}} is missing")
                self.depth -= 1
                return tuple(found), token
            if token.kind is Kind.OUTER:
                found.append(Outer(token.text))
                continue
            word = self.skip_blanks()
            if word.kind is Kind.WORD and word.text in ends:
                self.take()
                self.depth -= 1
                return tuple(found), word
            node = self.action(word, token)
            if node is not None:
                found.append(node)

    def action(self, word: Token, opened: Token) -> Node | None:
        name = word.text if word.kind is Kind.WORD else ""
        if name in ("if", "with", "range"):
            self.take()
            return self.control(name)
        if name in ("define", "block"):
            self.take()
            return self.definition(name, word)
        if name == "template":
            self.take()
            return self.include()
        if name in ("break", "continue"):
            self.take()
            if not self.loops:
                raise TemplateProblem(word.position, f"{{{{{name}}}}} outside of a range")
            self.close(name)
            return Leave(name == "continue")
        if name in ("end", "else"):
            raise TemplateProblem(word.position, f"unexpected {{{{{name}}}}}")
        pipeline = self.pipeline("the action", opened)
        self.close("the action")
        return Show(pipeline)

    def control(self, name: str) -> Node:
        known = len(self.variables)
        pipeline = self.pipeline(name, self.peek(), pairs=name == "range")
        self.close(name)
        self.loops += name == "range"
        body, end = self.body(("else", "end"))
        self.loops -= name == "range"
        otherwise: Body = ()
        if end.text == "else":
            otherwise = self.otherwise(name)
        else:
            self.close("{{end}}")
        del self.variables[known:]
        if name == "range":
            return Range(pipeline, body, otherwise)
        return (If if name == "if" else With)(pipeline, body, otherwise)

    def otherwise(self, name: str) -> Body:
        token = self.skip_blanks()
        if token.kind is Kind.WORD and token.text == name and name in ("if", "with"):
            self.take()
            self.depth += 1
            if self.depth > _MOST_DEPTH:
                raise TemplateProblem(token.position, "nested too deeply")
            node = self.control(name)
            self.depth -= 1
            return (node,)
        self.close("{{else}}")
        body, _ = self.body(("end",))
        self.close("{{end}}")
        return body

    def definition(self, kind: str, word: Token) -> Node | None:
        if kind == "define" and self.depth > 1:
            raise TemplateProblem(word.position, "a define must be at the top level")
        name = self.quoted(kind)
        pipeline = self.pipeline(kind, word) if kind == "block" else None
        self.close(kind)
        outside, loops = self.variables, self.loops
        self.variables, self.loops = ["$"], 0
        body, _ = self.body(("end",))
        self.variables, self.loops = outside, loops
        self.close("{{end}}")
        known = self.defined.get(name, ())
        if not _is_blank(known) and not _is_blank(body):
            raise TemplateProblem(word.position, f"the template {name} is defined twice")
        if name not in self.defined or not _is_blank(body):
            self.defined[name] = body
        return Include(name, pipeline) if kind == "block" else None

    def include(self) -> Node:
        name = self.quoted("template")
        if self.skip_blanks().kind is Kind.CLOSE:
            self.take()
            return Include(name, None)
        pipeline = self.pipeline("template", self.peek())
        self.close("template")
        return Include(name, pipeline)

    def quoted(self, what: str) -> str:
        token = self.skip_blanks()
        if token.kind not in (Kind.TEXT, Kind.RAW):
            raise TemplateProblem(token.position, f"{what} needs a name in quotes")
        self.take()
        return unquote(token)

    # --- pipelines -------------------------------------------------------------------------

    def pipeline(self, what: str, begin: Token, *, pairs: bool = False) -> Pipeline:
        declared, assigned = self.declaration(pairs)
        # As in Go, an assignment to an undeclared variable is detected when the template runs, and
        # a declared variable is already known in its own initial value.
        self.variables.extend(declared)
        commands: list[tuple[Operand, ...]] = []
        while True:
            token = self.skip_blanks()
            if commands and (token.kind is Kind.CLOSE or self.is_sign(")")):
                break  # a | without a command after it: Go accepts it
            command = self.command()
            if not command:
                if token.kind is Kind.SIGN and token.text not in ("|", ")"):
                    raise TemplateProblem(token.position, f"unexpected {token.text!r} in {what}")
                raise TemplateProblem(token.position, f"a value is missing in {what}")
            if commands and isinstance(command[0], (Literal, Dot)):
                raise TemplateProblem(token.position, "only a function can follow |")
            commands.append(command)
            self.skip_blanks()
            if not self.is_sign("|"):
                break
            self.take()
        return Pipeline(tuple(commands), declared, assigned, begin.position)

    def declaration(self, pairs: bool) -> tuple[tuple[str, ...], bool]:
        """`$x :=`, `$x =`, or `$i, $x :=` of a range; no token is consumed if it is none of
        them."""
        before = self.at
        names: list[Token] = []
        while self.skip_blanks().kind is Kind.VARIABLE:
            names.append(self.take())
            self.skip_blanks()
            if self.is_sign(":=") or self.is_sign("="):
                assigned = self.take().text == "="
                if len(names) > (2 if pairs else 1):
                    raise TemplateProblem(names[-1].position, "too many variables")
                return tuple(token.text for token in names), assigned
            if not (pairs and self.is_sign(",")):
                break
            self.take()
        self.at = before
        return (), False

    def command(self) -> tuple[Operand, ...]:
        found: list[Operand] = []
        while True:
            self.skip_blanks()
            operand = self.operand()
            if operand is None:
                return tuple(found)
            found.append(operand)
            token = self.peek()
            if token.kind not in (Kind.BLANK, Kind.CLOSE) and not (
                self.is_sign("|") or self.is_sign(")")
            ):
                raise TemplateProblem(token.position, f"unexpected {token.text!r}")

    def operand(self) -> Operand | None:
        begin = self.peek()
        base = self.term()
        if base is None:
            return None
        names: list[str] = []
        bare = isinstance(base, Literal) or begin.text == "."
        while self.peek().kind is Kind.FIELD:
            if bare:
                raise TemplateProblem(self.peek().position, f"no field can follow {begin.text}")
            names.append(self.take().text[1:])
        return Fields(base, tuple(names)) if names else base

    def term(self) -> Operand | None:
        token = self.peek()
        match token.kind:
            case Kind.NUMBER:
                value: Operand = Literal(number_value(token))
            case Kind.TEXT | Kind.RAW:
                value = Literal(unquote(token))
            case Kind.CHARACTER:
                value = Literal(character_value(token))
            case Kind.FIELD:
                return Dot()  # the caller consumes the field itself
            case Kind.VARIABLE:
                self.known(token)
                value = Variable(token.text)
            case Kind.WORD if token.text in _CONSTANTS:
                value = Literal(_CONSTANTS[token.text])
            case Kind.WORD:
                if token.text not in self.functions:
                    raise TemplateProblem(
                        token.position, f"there is no function {token.text} in templates"
                    )
                value = Function(token.text)
            case Kind.SIGN if token.text == ".":
                value = Dot()
            case Kind.SIGN if token.text == "(":
                return self.parenthesis()
            case _:
                return None
        self.take()
        return value

    def parenthesis(self) -> Operand:
        opened = self.take()
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise TemplateProblem(opened.position, "nested too deeply")
        inner = self.pipeline("the parentheses", opened)
        self.depth -= 1
        if not self.is_sign(")"):
            raise TemplateProblem(opened.position, "the ( is never closed")
        self.take()
        return inner

    def known(self, token: Token) -> None:
        if token.text not in self.variables:
            raise TemplateProblem(token.position, f"there is no variable {token.text}")


def _is_blank(body: Body) -> bool:
    """Whether a body is white space alone."""
    return all(isinstance(node, Outer) and not node.text.strip() for node in body)
