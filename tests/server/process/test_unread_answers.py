"""Answers that clients do not read: which of them end."""

from __future__ import annotations

from novaql.server.process.unread_answers import UnreadAnswer, beyond


class _Aborted:
    def abort(self) -> None: ...


ANY = _Aborted()


def test_nothing_ends_within_the_bound() -> None:
    assert beyond([], 0) == []
    assert beyond([UnreadAnswer("a", 60, 0.0, ANY), UnreadAnswer("b", 40, 1.0, ANY)], 100) == []


def test_the_oldest_answers_of_the_tenant_with_the_most_end() -> None:
    few = [UnreadAnswer("few", 30, 0.0, ANY)]
    many = [UnreadAnswer("many", 20, float(at), ANY) for at in (5, 3, 4, 9)]
    assert beyond([*few, *many], 70) == [many[1], many[2]]


def test_tenants_with_equal_shares_lose_in_turn() -> None:
    answers = [UnreadAnswer(tenant, 10, float(at), ANY) for tenant in "ab" for at in range(4)]
    ended = beyond(answers, 40)
    assert sorted((answer.tenant, answer.since) for answer in ended) == [
        ("a", 0), ("a", 1), ("b", 0), ("b", 1),
    ]  # fmt: skip


def test_one_answer_may_be_too_large_for_the_bound() -> None:
    large = UnreadAnswer("a", 1000, 0.0, ANY)
    assert beyond([UnreadAnswer("b", 10, 0.0, ANY), large], 100) == [large]
