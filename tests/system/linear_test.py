#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The checker of histories, on histories made by hand: those that an order explains, and those that
none does, each with the words that it is to be refused with. And a simulated register, whose
histories must all pass until it is broken."""

import random
import sys

from linear import OK, REFUSED, SUPERSEDED, UNKNOWN, check


def w(called, returned, *items):
    """A write of (object, event time, value or None, outcome)."""
    return ("write", called, returned,
            [(name, (t, v is None, b"" if v is None else v.encode()), None if v is None else (t, v), o)
             for name, t, v, o in items])


def r(called, returned, *items, strong=False):
    return ("read", called, returned, strong, list(items))


def s(called, returned, *items):
    return r(called, returned, *items, strong=True)


A1, A2 = (1, "a"), (2, "a")

GOOD = {
    "nothing": [],
    "a read of what is acknowledged": [w(1, 2, ("x", 1, "a", OK)), r(3, 4, ("x", A1))],
    "a read of what is under way": [w(1, 9, ("x", 1, "a", OK)), r(3, 4, ("x", A1))],
    "or not yet": [w(1, 9, ("x", 1, "a", OK)), r(3, 4, ("x", None))],
    "an older event is superseded": [
        w(1, 2, ("x", 2, "a", OK)), w(3, 4, ("x", 1, "a", SUPERSEDED)), r(5, 6, ("x", A2))],
    "superseded by what is under way": [
        w(1, 9, ("x", 2, "a", OK)), w(3, 4, ("x", 1, "a", SUPERSEDED)), r(5, 6, ("x", A2))],
    "the same write again": [
        w(1, 2, ("x", 1, "a", OK)), w(3, 4, ("x", 1, "a", OK)), w(5, 6, ("x", 2, "a", OK)),
        w(7, 8, ("x", 1, "a", SUPERSEDED)), r(9, 10, ("x", A2))],
    "a delete of that time wins": [
        w(1, 2, ("x", 1, "a", OK)), w(3, 4, ("x", 1, None, OK)), r(5, 6, ("x", None)),
        w(7, 8, ("x", 1, "z", SUPERSEDED))],
    "the greater row of that time wins": [
        w(1, 2, ("x", 1, "a", OK)), w(3, 4, ("x", 1, "b", OK)), r(5, 6, ("x", (1, "b"))),
        w(7, 8, ("x", 1, "a", SUPERSEDED))],
    "no answer, and seen late": [
        w(1, None, ("x", 1, "a", UNKNOWN)), r(3, 4, ("x", None)), r(50, 51, ("x", A1))],
    "no answer, and never seen": [w(1, None, ("x", 1, "a", UNKNOWN)), r(3, 4, ("x", None))],
    "refused and not seen": [w(1, 2, ("x", 1, "a", REFUSED)), r(3, 4, ("x", None))],
    "reads at once with a write, in both orders": [
        w(1, 9, ("x", 1, "a", OK)), r(2, 8, ("x", A1)), r(3, 7, ("x", None))],
    "which delete it was is not known": [
        w(1, 2, ("x", 1, None, OK)), w(3, 4, ("x", 2, "a", OK)), w(5, 20, ("x", 3, None, OK)),
        r(6, 7, ("x", A2)), r(8, 9, ("x", None)), r(10, 11, ("x", None))],
    "a strong read before, one between, one after": [
        s(1, 2, ("x", None), ("y", None)), w(3, 9, ("x", 1, "a", OK), ("y", 1, "a", OK)),
        s(4, 5, ("x", None), ("y", None)), s(6, 7, ("x", A1), ("y", A1))],
    "fast reads of a batch, key by key": [
        w(1, 9, ("x", 1, "a", OK), ("y", 1, "a", OK)), r(2, 3, ("x", A1), ("y", None)),
        r(4, 5, ("y", None)), r(6, 7, ("y", A1))],
    "strong reads of two writers": [
        w(1, 9, ("x", 1, "a", OK)), w(1, 9, ("y", 1, "a", OK)),
        s(2, 3, ("x", A1), ("y", None)), s(4, 5, ("x", A1), ("y", A1))],
    "a write that got no answer, seen by a strong read whole": [
        w(1, None, ("x", 1, "a", UNKNOWN), ("y", 1, "a", UNKNOWN)),
        s(2, 3, ("x", None), ("y", None)), s(4, 5, ("x", A1), ("y", A1))],
    "switches": [
        w(1, 5, ("current", 1, "two", OK)), r(2, 3, ("current", None)),
        r(3, 4, ("current", (1, "two"))), w(6, 7, ("current", 2, None, OK)),
        r(8, 9, ("current", None))],
}

OLDER, NEVER, ACKED, BY_NONE, NO_ORDER = \
    "older than", "never written", "acknowledged, though", "superseded by nothing", "no one order"

BAD = {
    "an acknowledged write is lost": (OLDER, [
        w(1, 2, ("x", 1, "a", OK)), r(3, 4, ("x", None))]),
    "an older row than acknowledged": (OLDER, [
        w(1, 2, ("x", 1, "a", OK)), w(3, 4, ("x", 2, "a", OK)), r(5, 6, ("x", A1))]),
    "a row that nobody wrote": (NEVER, [r(3, 4, ("x", A1))]),
    "a row from the future": (NEVER, [r(1, 2, ("x", A1)), w(3, 4, ("x", 1, "a", OK))]),
    "a refused write is seen": (NEVER, [
        w(1, 2, ("x", 1, "a", REFUSED)), r(3, 4, ("x", A1))]),
    "a superseded write is seen": (NEVER, [
        w(1, 2, ("x", 2, "a", OK)), w(3, 4, ("x", 1, "a", SUPERSEDED)), r(3, 4, ("x", A1))]),
    "what a read has shown is taken back": (OLDER, [
        w(1, 9, ("x", 1, "a", OK)), r(2, 3, ("x", A1)), r(4, 5, ("x", None))]),
    "and so by a strong read": (OLDER, [
        w(1, 9, ("x", 1, "a", OK)), s(2, 3, ("x", A1)), r(4, 5, ("x", None))]),
    "a deleted row comes back": (OLDER, [
        w(1, 2, ("x", 1, "a", OK)), w(3, 4, ("x", 2, None, OK)), r(5, 6, ("x", A1))]),
    "a delete is called back by a read": (OLDER, [
        w(1, 2, ("x", 1, None, OK)), w(3, 4, ("x", 2, "a", OK)), w(5, 20, ("x", 3, None, OK)),
        r(8, 9, ("x", None)), r(10, 11, ("x", A2))]),
    "an older event is acknowledged": (ACKED, [
        w(1, 2, ("x", 2, "a", OK)), w(3, 4, ("x", 1, "a", OK))]),
    "an older event after a read of a newer": (ACKED, [
        w(1, 9, ("x", 2, "a", OK)), r(2, 3, ("x", A2)), w(4, 5, ("x", 1, "a", OK))]),
    "the tie goes the other way": (ACKED, [
        w(1, 2, ("x", 1, "b", OK)), w(3, 4, ("x", 1, "a", OK))]),
    "superseded by none": (BY_NONE, [w(1, 2, ("x", 1, "a", SUPERSEDED))]),
    "superseded by a later one": (BY_NONE, [
        w(1, 2, ("x", 1, "a", SUPERSEDED)), w(3, 4, ("x", 2, "a", OK))]),
    "no answer, superseded when it was sent, and seen": (NEVER, [
        w(1, 2, ("x", 2, "a", OK)), w(3, None, ("x", 1, "a", UNKNOWN)), r(5, 6, ("x", A1))]),
    "half of a datagram": (NO_ORDER, [
        w(1, 9, ("x", 1, "a", OK), ("y", 1, "a", OK)), s(2, 3, ("x", A1), ("y", None))]),
    "half of one that got no answer": (NO_ORDER, [
        w(1, None, ("x", 1, "a", UNKNOWN), ("y", 1, "a", UNKNOWN)),
        s(2, 3, ("x", A1), ("y", None)), s(20, 30, ("x", A1), ("y", A1))]),
    "two strong reads that saw two writers in two orders": (NO_ORDER, [
        w(1, 9, ("x", 1, "a", OK)), w(1, 9, ("y", 1, "a", OK)),
        s(2, 8, ("x", A1), ("y", None)), s(2, 8, ("x", None), ("y", A1))]),
    "a strong read of no one time": (NO_ORDER, [
        w(1, 2, ("x", 1, "a", OK)), w(1, 2, ("y", 1, "a", OK)),
        w(10, 11, ("x", 2, "a", OK)), w(12, 13, ("y", 2, "a", OK)),
        s(9, 14, ("x", A1), ("y", A2))]),
    "a switch is taken back": (OLDER, [
        w(1, 9, ("current", 1, "two", OK)), r(2, 3, ("current", (1, "two"))),
        r(4, 5, ("current", None))]),
}


def lost(past, state, names):
    """Whether a row of the past that is no more is among these."""
    return any(name in past and not past[name][1] and past[name] != state[name] for name in names)


def simulate(seed, broken):
    """A history of a max register with three objects that is what it should be, or broken: one read
    in it is answered with what was a while before."""
    rng = random.Random(seed)
    state, history, moments = {}, [], []
    for number in range(300):
        middle = number * 10 + 5
        called, returned = middle - rng.randint(0, 40), middle + rng.randint(1, 40)
        names = rng.sample("xyz", rng.randint(1, 3))
        moments.append(dict(state))
        if rng.random() < 0.5:
            items = []
            for name in names:
                value = rng.choice([None, "a%d" % number])
                new = (rng.randint(number, number + 60), value is None, (value or "").encode())
                if new >= state.get(name, (0,)):
                    state[name] = new
                    items.append((name, new[0], value, rng.choice([OK, OK, OK, UNKNOWN])))
                else:
                    items.append((name, new[0], value, SUPERSEDED))
            unknown = any(i[3] == UNKNOWN for i in items)
            if unknown:
                items = [i[:3] + (UNKNOWN,) for i in items if i[3] != SUPERSEDED]
            history.append(w(called, None if unknown else returned, *items))
            continue
        seen = state
        if broken and number > 200 and lost(moments[number - 100], state, names):
            seen, broken = moments[number - 100], False
        items = []
        for name in names:
            at = seen.get(name)
            items.append((name, (at[0], at[2].decode()) if at and not at[1] else None))
        history.append(r(called, returned, *items, strong=rng.random() < 0.5))
    return history


def main():
    for name, history in GOOD.items():
        assert check(history) == [], (name, check(history))
    for name, (why, history) in BAD.items():
        found = check(history)
        assert any(why in text for text in found), (name, found)
    for seed in range(100):
        found = check(simulate(seed, broken=False))
        assert found == [], (seed, found[:3])
        assert check(simulate(seed, broken=True)) != [], (seed, "not seen to be broken")
    print("%d good and %d bad histories, 100 simulated" % (len(GOOD), len(BAD)))
    return 0


sys.exit(main())
