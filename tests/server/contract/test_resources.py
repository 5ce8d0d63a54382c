"""Every pool, thread and cache of the server is listed in docs/design/resources.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.repository.files import ROOT

PAGE = ROOT / "docs" / "design" / "resources.md"
SERVER = ROOT / "server"
LIBRARY = "\n## Threads of the library\n"
"""What follows on the page is checked by tests/architecture/test_resources.py."""
_CREATES = re.compile(
    r"(?:[A-Za-z]*(?:Pool|PoolExecutor|Threads|Workers|Writers|Cache|Transport)|Thread|Timer"
    r"|to_thread|OrderedDict|WeakKeyDictionary|WeakValueDictionary|lru_cache|cache|cache_of_short|local|mmap"
    r"|Client|AsyncClient|Semaphore|BoundedSemaphore|create_engine|StateDatabase|sqlite3\.connect|create_connection"
    r"|Fetcher)"
)
_CONTAINERS = {"dict", "set", "list", "Counter", "defaultdict", "deque"}
_UNLISTED = {
    "dashboards/panel_data.py": "a request",
    "db/revise.py": "a program for developers",
    "http/index.py": "routes, all of them at the start",
    "ingest/partial_write.py": "a request",
    "ingest/series_count.py": "a request",
    "notifications/inhibition.py": "an evaluation",
    "probes/browser/cdp.py": "a flow",
    "probes/browser/flow.py": "a flow",
    "probes/browser/page.py": "a flow",
    "settings_renames.py": "names of settings, read at the start",
}
"""Files whose state ends with what is named here, or does not grow."""


def created(text: str) -> set[str]:
    """Names of what a module creates when it runs: calls of classes of pools, threads, caches."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        called = node.func if isinstance(node, ast.Call) else None
        names = [called] if called is not None else []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names += node.decorator_list
        for name in names:
            shown = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
            found |= {each for each in (shown, ast.unparse(name)) if _CREATES.fullmatch(each)}
    return found


def growing(text: str) -> set[str]:
    """Containers that begin empty and outlive a call: of a module, and private ones of objects."""
    found = set()
    tree = ast.parse(text)
    for node in tree.body:
        found |= {name for name, value in _assigned(node) if _is_empty(value)}
    for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for node in owner.body:  # fields of dataclasses
            found |= {
                f"{owner.name}.{name}"
                for name, value in _assigned(node)
                if name.startswith("_") and _is_factory(value)
            }
        for inner in ast.walk(owner):
            found |= {
                f"{owner.name}.{name.removeprefix('self.')}"
                for name, value in _assigned(inner)
                if name.startswith("self._") and _is_empty(value)
            }
    return found


def _assigned(node: ast.AST) -> list[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        return [(ast.unparse(target), node.value) for target in node.targets]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        fixed = ast.unparse(node.annotation).startswith("Mapping")
        return [] if fixed else [(ast.unparse(node.target), node.value)]
    return []


def _is_empty(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    if not isinstance(value, ast.Call):
        return isinstance(value, ast.List) and not value.elts
    named = value.func.value if isinstance(value.func, ast.Subscript) else value.func
    name = ast.unparse(named)
    return name == "defaultdict" or (name in _CONTAINERS and not value.args)


def _is_factory(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and any(
        each.arg == "default_factory" and ast.unparse(each.value).partition("[")[0] in _CONTAINERS
        for each in value.keywords
    )


def listed() -> set[str]:
    return {
        name
        for line in PAGE.read_text("utf-8").split(LIBRARY)[0].splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([\w/]+\.py)`", line.split("|")[1])
    }


def test_every_file_that_creates_one_is_listed() -> None:
    creating = {
        path.relative_to(SERVER).as_posix(): what
        for path in sorted(SERVER.rglob("*.py"))
        if (what := created(text := path.read_text("utf-8")) | growing(text))
    }
    absent = {name: what for name, what in creating.items() if name not in listed()}
    assert {name: what for name, what in absent.items() if name not in _UNLISTED} == {}
    assert absent.keys() == _UNLISTED.keys()


def test_every_listed_file_is_there() -> None:
    assert not [name for name in listed() if not Path(SERVER / name).is_file()]


def test_the_look_finds_what_it_is_for() -> None:
    text = "x = ThreadPoolExecutor(2)\n@lru_cache(maxsize=1)\ndef f(): ...\ny = ResultCache(5)\n"
    text += "@functools.cache\ndef g(): ...\nz = threading.Timer(1, f)\n"
    assert created(text) == {"ThreadPoolExecutor", "lru_cache", "ResultCache", "cache", "Timer"}
    assert created("PoolExecutor\nCached()\n") == set()
    text = (
        "a = httpx.AsyncClient()\nb = sqlite3.connect('x')\nc.connect()\nd = WeakKeyDictionary()\n"
    )
    assert created(text) == {"AsyncClient", "sqlite3.connect", "WeakKeyDictionary"}


def test_containers_that_may_grow_are_found() -> None:
    text = "a = {}\nB: dict[int, int] = {}\nC: Mapping[int, int] = {}\nd = dict(x)\ne = {1: 2}\n"
    assert growing(text) == {"a", "B"}
    text = """
class F:
    _g: dict[str, int] = field(default_factory=dict)
    h: dict[str, int] = field(default_factory=dict)

    def __init__(self):
        self._i: Counter[str] = Counter()
        self._j = defaultdict(list)
        self._k, self.l = 1, {}
        self._m = deque[int]()
        n = {}
"""
    assert growing(text) == {"F._g", "F._i", "F._j", "F._m"}
