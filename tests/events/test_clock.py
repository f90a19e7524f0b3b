"""Stamps grow strictly, later than what was read, and a broken clock elsewhere pushes nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mltracker.events.clock import DAY, Clock, wall_clock

NOON = 1_764_000_000_000_000
A = "a" * 32


class Hand:
    """A wall clock that stands where it is put."""

    def __init__(self, micros: int = NOON) -> None:
        self.micros = micros

    def __call__(self) -> int:
        return self.micros


def test_it_follows_the_wall_clock() -> None:
    hand = Hand()
    clock = Clock(now=hand)
    assert clock.tick() == (NOON, NOON)
    hand.micros += 1000
    assert clock.tick() == (NOON + 1000, NOON + 1000)


def test_it_never_stands_still_or_goes_back() -> None:
    hand = Hand()
    clock = Clock(now=hand)
    clock.tick()
    assert clock.tick() == (NOON + 1, NOON)
    hand.micros -= 5000
    assert clock.tick() == (NOON + 2, NOON - 5000)


def test_what_was_read_pushes_it() -> None:
    clock = Clock(now=Hand())
    clock.observe(NOON + DAY)
    assert clock.tick() == (NOON + DAY + 1, NOON)


def test_more_than_a_day_ahead_pushes_nothing() -> None:
    clock = Clock(now=Hand())
    clock.observe(NOON + DAY + 1)
    assert clock.tick() == (NOON, NOON)


def test_the_wall_clock_is_in_microseconds() -> None:
    assert 1_700_000_000_000_000 < wall_clock() < 4_000_000_000_000_000


@given(st.lists(st.tuples(st.integers(-5, 5), st.one_of(st.none(), st.integers(-2 * DAY, 2 * DAY)))))
def test_stamps_are_later_than_all_before(steps: list[tuple[int, int | None]]) -> None:
    hand = Hand()
    clock = Clock(now=hand)
    latest = 0
    for drift, read in steps:
        hand.micros += drift
        if read is not None:
            clock.observe(hand.micros + read)
            latest = max(latest, hand.micros + read if read <= DAY else 0)
        at, wall = clock.tick()
        assert at > latest
        assert wall == hand.micros
        latest = at
