"""Random templates of alerting rules: some well-formed, many not."""

from __future__ import annotations

import random

PIECES = [
    *[
        "$value",
        "$labels",
        "$labels.job",
        ".",
        ".Value",
        ".Labels.a",
        "$x",
        "$y",
        "1",
        "-2",
        "1.5",
        "0x1F",
        "'a'",
        '"s"',
        "`r`",
        "true",
        "nil",
    ],
    *[
        "len",
        "print",
        "printf",
        "humanize",
        "query",
        "first",
        "eq",
        "and",
        "or",
        "not",
        "index",
        "(",
        ")",
        "|",
        ":=",
        "=",
        ",",
        "if",
        "else",
        "end",
    ],
    *[
        "range",
        "with",
        "define",
        "template",
        "block",
        "break",
        "continue",
        "{{",
        "}}",
        "{{-",
        "-}}",
        "/*",
        "*/",
        "x",
        "..",
        "$",
        "5x",
        "1e3",
        "+",
    ],
    *["$value.", "1_0", "08", ".5", "5.", "'ab'", "'\\n'", '"a\\n"'],
    *(" ", "  ", "\n", "$i, $e := ", "$x := ", "else if", "else with"),
]
VALUES = ["$value", "$labels.job", "1", '"s"', ".Value", ".", "$x", "nil", "true", "$", "1.5"]
CALLS = ["len", "print", "eq", "printf", "humanize", "and"]


def broken_template(dice: random.Random) -> str:
    """Pieces in any order, or a structure that may lack an end."""
    kind = dice.random()
    if kind < 0.4:
        inside = dice.choice(["", " "]).join(dice.choices(PIECES, k=dice.randint(1, 5)))
        return "{{" + dice.choice(["", " "]) + inside + dice.choice(["", " "]) + "}}"
    if kind < 0.7:
        parts = [_part(dice) for _ in range(dice.randint(1, 6))]
        return "".join(parts) + dice.choice(["", "{{end}}", "{{end}}{{end}}"])
    return "".join(dice.choices(PIECES, k=dice.randint(1, 8)))


def _part(dice: random.Random) -> str:
    left, right = dice.choice(["{{", "{{ ", "{{- "]), dice.choice(["}}", " }}", " -}}"])
    value = _pipeline(dice, 0)
    made = dice.choice(["", "$x := "])
    actions = [
        value,
        f"if {value}",
        f"range {dice.choice(['', '$i := ', '$i, $x := ', '$x = '])}{value}",
        f"with {made}{value}",
        "else",
        "end",
        f"$x {dice.choice([':=', '='])} {value}",
        f"else if {value}",
        dice.choice(["break", "continue"]),
        'define "d"',
        f'template "d"{dice.choice(["", " $value"])}',
        'block "e" .',
    ]
    plain = dice.choice(["a", " ", "}}", "{", "\n", "{{/* c */}}"])
    return plain if dice.random() < 0.1 else left + dice.choice(actions) + right


def _pipeline(dice: random.Random, depth: int) -> str:
    kind = dice.choice(["value", "value", "call", "inner", "piped"]) if depth < 3 else "value"
    if kind == "call":
        arguments = [_pipeline(dice, depth + 1) for _ in range(dice.randint(0, 2))]
        return " ".join([dice.choice(CALLS), *arguments])
    if kind == "inner":
        return f"({_pipeline(dice, depth + 1)}){dice.choice(['', '.a', '.Labels.b'])}"
    if kind == "piped":
        return f"{_pipeline(dice, depth + 1)} | {_pipeline(dice, depth + 1)}"
    return dice.choice(VALUES)


NUMBERS = [
    "0.0",
    "1.0",
    "-1.5",
    "1234.5678",
    "0.00123",
    "1e9",
    "123456789.0",
    "1e-7",
    "99999.5",
    "999950.0",
    "0.5",
    "-0.001",
    "100000.0",
    "59.999",
    "3600.0",
    "86399.9",
    "1e15",
    "2.5",
    "1023.0",
    "1024.0",
    "1048576.0",
    "1.7e9",
    "$value",
    ".Value",
    "-123.0",
    "999.96",
]
INTEGERS = ["0", "1", "-3", "42", "0x1F", "1_000", "1e3", "'a'"]
TEXTS = [
    *('"abc"', '"a b-c_d.e"', '"HOST:80"', '"10.0.0.1:9090"', '"[::1]:80"', '"foo.bar.baz:1"'),
    *('""', '"12.5"', "`raw\\n`", "$labels.job", "$labels.none", '"été ß"', '"1h30m"', '"-5"'),
    *('"a,b"', '"<a>&"', '"x\\"y"'),
]
FORMATS = [
    "%v",
    "%s",
    "%d",
    "%.2f",
    "%f",
    "%e",
    "%g",
    "%.3g",
    "%x",
    "%X",
    "%q",
    "%t",
    "%c",
    "%U",
    "%%",
    "a",
    "%.1f%%",
    "%G",
    "%o",
    "%b",
    "%z",
    "%T",
]
HUMANIZE = [
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
]
COMPARE = ["eq", "ne", "lt", "le", "gt", "ge"]


def working_template(dice: random.Random) -> str:
    """A template that parses, and that mostly can be expanded."""
    kind = dice.random()
    if kind < 0.4:
        return f"{{{{ {dice.choice(HUMANIZE)} {dice.choice([*NUMBERS, *INTEGERS, *TEXTS])} }}}}"
    if kind < 0.85:
        tail = dice.choice(["", " | print", ' | printf "%v-%v" 1', " | len", " | not"])
        return f"{{{{ {_any(dice, 0)}{tail} }}}}"
    return (
        f"{{{{ if {_truth(dice, 0)} }}}}A{{{{ else if {_any(dice, 0)} }}}}B"
        f"{{{{ else }}}}C{{{{ end }}}}"
        f"{{{{ with {_any(dice, 0)} }}}}{{{{ . }}}}{{{{ end }}}}"
    )


def _any(dice: random.Random, depth: int) -> str:
    kind = dice.randrange(4)
    if kind == 0:
        return _text(dice, depth)
    if kind == 1:
        return _truth(dice, depth)
    return dice.choice(NUMBERS if kind == 2 else INTEGERS)


def _text(dice: random.Random, depth: int) -> str:
    if depth > 2 or dice.random() < 0.3:
        return dice.choice(TEXTS)
    inner, other = _text(dice, depth + 1), _any(dice, depth + 1)
    pattern = dice.choice(["`a(.)`", "`[0-9]+`", "`^`", "`(?P<n>.)b`", "`x*`"])
    replacement = dice.choice(["`$1`", "`-`", "`${n}x`", "`$$`", "`$1x`"])
    calls = [
        f"toUpper {inner}",
        f"toLower {inner}",
        f"title {inner}",
        f"reReplaceAll {pattern} {replacement} {inner}",
        f"stripPort {inner}",
        f"stripDomain {inner}",
        f"print {other} {inner}",
        f'printf "{dice.choice(FORMATS)}" {other}',
        f"html {inner}",
        f"urlquery {inner}",
        f"graphLink {inner}",
    ]
    return f"({dice.choice(calls)})"


def _truth(dice: random.Random, depth: int) -> str:
    if depth > 2:
        return dice.choice(["true", "false"])
    texts = _text(dice, depth + 1), _text(dice, depth + 1)
    calls = [
        f"{dice.choice(COMPARE)} {dice.choice(NUMBERS)} {dice.choice(NUMBERS)}",
        f"{dice.choice(COMPARE)} {texts[0]} {texts[1]}",
        f"match `b.c` {texts[0]}",
        f"not {_any(dice, depth + 1)}",
        f"{dice.choice(['and', 'or'])} {_any(dice, depth + 1)} {_any(dice, depth + 1)}",
        f"eq {_any(dice, depth + 1)} {_any(dice, depth + 1)}",
    ]
    return f"({dice.choice(calls)})"
