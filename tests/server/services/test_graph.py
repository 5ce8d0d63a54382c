"""The graph of dependencies: circles, depth, directions."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from novaql.server.http.shapes import PathName
from novaql.server.services.graph import Direction, Edge, Kind, cycles, merged, neighbourhood

APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def _edges(text: str) -> list[Edge]:
    """ "ab bc": a depends on b, b on c."""
    return [Edge(pair[0], pair[1]) for pair in text.split()]


def test_a_circle_and_an_edge_to_oneself() -> None:
    found = neighbourhood("a", _edges("ab ba aa bc"), frozenset("abc"))
    assert list(found.nodes) == ["a", "b", "c"]
    assert found.cycles == (("a", "b"),)
    assert neighbourhood("a", _edges("aa"), frozenset("a")).cycles == (("a",),)


def test_directions() -> None:
    edges = _edges("xa ab bc ac yc")
    catalog = frozenset("abc")

    def names(direction: Direction) -> list[str]:
        return list(neighbourhood("a", edges, catalog, direction=direction).nodes)

    assert names(Direction.UPSTREAM) == ["a", "b", "c"]
    assert names(Direction.DOWNSTREAM) == ["a", "x"]
    assert names(Direction.BOTH) == ["a", "b", "c", "x"]  # y only shares c with a


def test_depth() -> None:
    edges = _edges("ab bc cd")
    near = neighbourhood("a", edges, frozenset("abcd"), depth=2)
    assert list(near.nodes) == ["a", "b", "c"]
    assert near.truncated
    assert [(e.source, e.target) for e in near.edges] == [("a", "b"), ("b", "c")]
    assert not neighbourhood("a", edges, frozenset("abcd"), depth=3).truncated
    assert list(neighbourhood("a", edges, frozenset(), depth=0).nodes) == ["a"]


def test_a_long_chain_is_cut() -> None:
    chain = [Edge(f"s{i:04}", f"s{i + 1:04}") for i in range(1000)]
    found = neighbourhood("s0000", chain, frozenset())
    assert len(found.nodes) == 500
    assert found.truncated


def test_cycles_of_a_large_graph_take_time_in_proportion_to_its_edges() -> None:
    """5 000 nodes: work in proportion to their square does not end in the time of a test."""
    names = [f"n{number:05}" for number in range(5_000)]
    chain = [Edge(one, other) for one, other in pairwise(names)]
    assert cycles(chain) == ()
    assert cycles([*chain, Edge(names[-1], names[0])]) == (tuple(names),)


def test_names_that_no_catalog_knows_are_external() -> None:
    found = neighbourhood("a", _edges("ab"), frozenset("a"))
    assert found.nodes == {"a": Kind.SERVICE, "b": Kind.EXTERNAL}


def test_edges_say_where_they_are_known_from() -> None:
    seen = Edge("a", "b", "discovered", APRIL)
    both, only_seen, declared = merged(_edges("ab cd"), [seen, Edge("b", "c", "discovered", APRIL)])
    assert both == Edge("a", "b", "declared+discovered", APRIL)
    assert only_seen.origin == "discovered"
    assert declared == Edge("c", "d")


_GRAPHS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=15)


@given(_GRAPHS)
def test_circles_are_what_reaches_itself(pairs: list[tuple[int, int]]) -> None:
    edges = [Edge(str(a), str(b)) for a, b in pairs]
    reach = {(a, b) for a, b in pairs}
    for k in range(7):
        reach |= {(a, d) for a, b in reach for c, d in reach if b == c == k}
    circles: dict[str, tuple[str, ...]] = {}
    for a in range(7):
        if (a, a) in reach:
            group = sorted(str(b) for b in range(7) if (a, b) in reach and (b, a) in reach)
            circles[str(a)] = tuple(group)
    assert cycles(edges) == tuple(sorted(set(circles.values())))


@given(_GRAPHS, st.integers(0, 6), st.integers(0, 4))
def test_distance_is_what_depth_means(pairs: list[tuple[int, int]], start: int, depth: int) -> None:
    edges = [Edge(str(a), str(b)) for a, b in pairs]
    near = {start}
    for _ in range(depth):
        near |= {b for a, b in pairs if a in near}
    found = neighbourhood(str(start), edges, frozenset(), direction=Direction.UPSTREAM, depth=depth)
    assert set(found.nodes) == {str(n) for n in near}
    assert found.truncated == any(b not in near for a, b in pairs if a in near)


@pytest.mark.parametrize("name", ["api", "Api-2", "a.b_c", "7", "x" * 63])
def test_names(name: str) -> None:
    assert TypeAdapter(PathName).validate_python(name) == name


@pytest.mark.parametrize("name", ["", "..", "A/b c", "-a", "a-", "x" * 64, "ü", "a%2Fb", "a\n"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PathName).validate_python(name)
