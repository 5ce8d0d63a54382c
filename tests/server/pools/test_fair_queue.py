"""Tenants are served in turn, whatever each of them has waiting, and the queue is bounded."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.pools.fair_queue import FairQueue, QueueFull


def taken(queue: FairQueue[int]) -> tuple[str, int]:
    found = queue.take()
    assert found is not None
    return found.tenant, found.item


def test_a_tenant_alone_is_served_in_order() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(5):
        queue.put("a", number)
    assert [taken(queue) for _ in range(5)] == [("a", n) for n in range(5)]
    assert queue.take() is None
    assert queue.active("a") == 5


def test_one_item_of_another_tenant_waits_for_one_item_at_most() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(10_000):
        queue.put("noisy", number)
    served = []
    for _ in range(3):
        tenant, _ = taken(queue)
        queue.leave(tenant)
    queue.put("quiet", 7)
    for _ in range(2):
        tenant, item = taken(queue)
        queue.leave(tenant)
        served.append((tenant, item))
    assert ("quiet", 7) in served


def test_the_tenant_with_less_in_work_is_served_first() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(3):
        queue.put("a", number)
    assert [taken(queue)[0] for _ in range(2)] == ["a", "a"]
    queue.put("b", 0)
    queue.put("b", 1)
    assert [taken(queue)[0] for _ in range(3)] == ["b", "b", "a"]


def test_a_tenant_may_hold_half_of_the_places() -> None:
    queue: FairQueue[int] = FairQueue(4)
    queue.put("a", 0)
    queue.put("a", 1)
    with pytest.raises(QueueFull):
        queue.put("a", 2)
    queue.put("b", 0)
    queue.put("b", 1)
    assert len(queue) == 4
    assert FairQueue[int](1).put("a", 0) is None  # one place is no half: it is for anybody


def test_without_places_nothing_waits() -> None:
    with pytest.raises(QueueFull):
        FairQueue[int](0).put("a", 0)


def test_a_full_queue_displaces_the_last_item_of_the_longest() -> None:
    queue: FairQueue[int] = FairQueue(4)
    for tenant in ("a", "b"):
        queue.put(tenant, 1)
        queue.put(tenant, 2)
    displaced = queue.put("quiet", 7)
    assert displaced is not None
    assert displaced.item == 2
    with pytest.raises(QueueFull):  # nobody has more than it would have
        queue.put("quiet", 8)
    assert len(queue) == 4


def test_what_let_others_by_comes_after_them_and_before_its_own() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.put("a", 0)
    queue.put("a", 1)
    assert taken(queue) == ("a", 0)
    queue.put("b", 9)
    assert queue.is_due_to("a")
    queue.put_back("a", 0)
    assert taken(queue) == ("b", 9)
    assert not queue.is_due_to("b") or queue.active("b") > queue.active("a")
    queue.leave("b")
    assert [taken(queue), taken(queue)] == [("a", 0), ("a", 1)]


def test_a_query_yields_neither_to_its_own_tenant_nor_to_one_with_as_much_in_work() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.enter("a")
    queue.put("a", 1)
    assert not queue.is_due_to("a")
    queue.enter("b")
    queue.put("b", 1)
    assert not queue.is_due_to("a")
    queue.enter("a")
    assert queue.is_due_to("a")


def test_an_item_can_leave() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.put("a", 1)
    assert queue.remove("a", 1)
    assert not queue.remove("a", 1)
    assert not queue.remove("b", 1)
    assert len(queue) == 0
    queue.put("a", 2)
    assert queue.clear() == [2]
    assert queue.take() is None


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "take", "end"]))),
    st.sampled_from([1, 2, None]),
)
def test_counts_are_those_of_plain_lists(
    steps: list[tuple[str, str]], most_active: int | None
) -> None:
    queue: FairQueue[int] = FairQueue(6, most_active=most_active)
    waiting: Counter[str] = Counter()
    active: Counter[str] = Counter()
    for number, (tenant, step) in enumerate(steps):
        if step == "put":
            try:
                displaced = queue.put(tenant, number)
            except QueueFull:
                assert waiting[tenant] == 3 or waiting.total() == 6
                continue
            waiting[tenant] += 1
            if displaced is not None:
                waiting[displaced.tenant] -= 1
        elif step == "take":
            found = queue.take()
            eligible = [t for t in "abc" if waiting[t] and active[t] < (most_active or 99)]
            assert (found is None) == (not eligible)
            if found is not None:
                least = min(active[t] for t in "abc" if waiting[t])
                assert active[found.tenant] == least
                waiting[found.tenant] -= 1
                active[found.tenant] += 1
        elif active[tenant]:
            queue.leave(tenant)
            active[tenant] -= 1
        assert len(queue) == waiting.total() <= 6
        assert all(queue.waiting(t) == waiting[t] for t in "abc")
        assert all(queue.active(t) == active[t] for t in "abc")
