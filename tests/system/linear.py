# SPDX-License-Identifier: BSD-3-Clause
"""A checker of histories of concurrent clients: is there an order of all operations that explains them?

Every object (a key of a version of a set) is a register that keeps the greatest value ever written
to it. The order of values is the protocol's: event time; of equal ones a delete beats a row, and of
two rows the one whose bytes are greater. As a sequential object:

    write(v)    v > state: OK, and the state is v.  v = state: OK.  v < state: SUPERSEDED.
    read()      shows the state; a delete, like the state before any write, shows None.

A history is linearizable if each operation can be given a moment between its call and its return
such that this is what comes out. Because states only grow, this can be decided at once, without
search: give every operation the least state that it may have seen (a read of None may mean any
delete, SUPERSEDED any greater value), going through the history in order of returns. There is an
order if and only if

  - no operation sees less than one that had returned before it was called (an acknowledged write,
    and also what another read has shown), and
  - no operation sees a write that was called after it had returned.

What is refused (BUSY) must never be seen. A write without an answer may be seen or not.

Strong reads see all their objects in one state, and a datagram's writes become visible to them at
once. So there must be one order of all strong reads and writes, over all objects together, that
keeps real time (strict serializability). The order of each object's values is known; with
"returned before it was called" they make a graph, and there is such an order if it has no cycle.
Fast reads are not part of it: each of their keys stands for itself.

Switching versions is an object too: its values are the switches, in their order, and a read shows
which version answered.

An operation is a tuple; times are nanoseconds of one clock, `returned` None: there was no answer.

    ("write", called, returned, [(object, rank, shows, outcome), ...])
    ("read", called, returned, strong, [(object, shows), ...])

`rank` is a tuple and says how values of an object compare, `shows` is what a read of it returns.
"""

import bisect

OK, SUPERSEDED, REFUSED, UNKNOWN = "ok", "superseded", "refused", "unknown"
FOREVER = 1 << 63
NOTHING = ()  # the rank of the state before any write: less than any other tuple


class Value:
    """What writes make of an object. Attempts to write the same value again are the same value."""

    def __init__(self, rank, shows, called, operation):
        self.rank, self.shows, self.called, self.operation = rank, shows, called, operation
        self.floor = None     # least state when it was first called, once that is known
        self.applied = False  # it certainly was the state for a moment

    def possible(self, returned):
        """Whether an operation that returned then may have seen it."""
        return self.called < returned and self.floor is not None and self.floor <= self.rank


class Register:
    """One object's part of a history."""

    def __init__(self, name, initial):
        self.name = name
        nothing = Value(NOTHING, initial, -1, None)
        nothing.floor, nothing.applied = NOTHING, True
        self.values = {NOTHING: nothing}
        self.events = []  # (time, 0: called or 1: returned, number, what, value or shows, outcome)
        self.reads = []   # (operation, least value, greatest value)
        self.refused = set()

    def add_write(self, number, called, returned, rank, shows, outcome):
        if outcome in (OK, UNKNOWN):
            value = self.values.get(rank)
            if value is None or called < value.called:
                self.values[rank] = Value(rank, shows, called, number)
        else:
            self.refused.add((rank, shows))
        self.add(number, called, returned if outcome != UNKNOWN else None, outcome, rank)

    def add(self, number, called, returned, what, about):
        floor = [None]
        self.events.append((called, 0, number, what, about, floor))
        if returned is not None:
            self.events.append((returned, 1, number, what, about, floor))

    def prepare(self):
        self.ranks = sorted(self.values)
        self.by_shows = {}
        for rank in self.ranks:
            self.by_shows.setdefault(self.values[rank].shows, []).append(rank)

    def least(self, ranks, floor, returned):
        """The least value from `floor` on that may have been seen by then."""
        for i in range(bisect.bisect_left(ranks, floor), len(ranks)):
            if self.values[ranks[i]].possible(returned):
                return ranks[i]
        return None

    def seen(self, what, about, floor, returned):
        """The least state that an operation can have seen; or None and why there is none."""
        if what == OK:
            return (about, None) if about >= floor else (None, "acknowledged, though less than")
        if what == SUPERSEDED:
            above = bisect.bisect_right(self.ranks, about)
            rank = self.least(self.ranks, max(floor, self.ranks[above]), returned) \
                if above < len(self.ranks) else None
            return rank, "superseded by nothing, after"
        ranks = self.by_shows.get(about, [])
        rank = self.least(ranks, floor, returned)
        if rank is not None:
            return rank, None
        if any(self.values[r].possible(returned) for r in ranks):
            return None, "older than"
        return None, "never written, or refused, or not yet called, after"

    def check(self):
        """Returns what cannot be, as texts."""
        wrong, floor = [], NOTHING
        self.prepare()
        for time, is_return, number, what, about, held in sorted(self.events, key=lambda e: e[:3]):
            if not is_return:
                held[0] = floor
                value = self.values.get(about) if what in (OK, UNKNOWN) else None
                if value is not None and value.operation == number:
                    value.floor = floor
                continue
            if what == REFUSED:
                continue
            rank, why = self.seen(what, about, held[0], time)
            if rank is None:
                wrong.append("%s: operation %d, %s of %s: %s %s" % (
                    self.name, number, what, about, why, held[0]))
                continue
            floor = max(floor, rank)
            if what == OK:
                self.values[rank].applied = True
            elif what in ("read", "strong"):
                ranks = [r for r in self.by_shows[about]
                         if r >= rank and self.values[r].possible(time)]
                if len(ranks) == 1:
                    self.values[rank].applied = True
                if what == "strong":
                    self.reads.append((number, rank, ranks[-1]))
        return wrong


def registers_of(history, initial):
    registers = {}

    def at(name):
        if name not in registers:
            registers[name] = Register(name, initial.get(name))
        return registers[name]

    for number, op in enumerate(history):
        if op[0] == "write":
            for name, rank, shows, outcome in op[3]:
                at(name).add_write(number, op[1], op[2], rank, shows, outcome)
        else:
            for name, shows in op[4]:
                at(name).add(number, op[1], op[2], "strong" if op[3] else "read", shows)
    return registers


class Graph:
    """What comes before what. Moments of real time are nodes too, each before the next, so that
    "returned before it was called" takes two edges an operation instead of one a pair."""

    def __init__(self):
        self.after = {}

    def edge(self, a, b):
        self.after.setdefault(a, []).append(b)
        self.after.setdefault(b, [])

    def add_times(self, operations):
        """(node, called, returned) of each."""
        returns = sorted({returned for _, _, returned in operations if returned < FOREVER})
        for a, b in zip(returns, returns[1:]):
            self.edge(("time", a), ("time", b))
        for node, called, returned in operations:
            before = bisect.bisect_left(returns, called)
            if before > 0:
                self.edge(("time", returns[before - 1]), node)
            if returned < FOREVER:
                self.edge(node, ("time", returned))

    def cycle(self):
        """Nodes of a cycle in their order, or None."""
        waits = dict.fromkeys(self.after, 0)
        for nodes in self.after.values():
            for node in nodes:
                waits[node] += 1
        free = [node for node, n in waits.items() if n == 0]
        while free:
            for node in self.after[free.pop()]:
                waits[node] -= 1
                if waits[node] == 0:
                    free.append(node)
        left = {node for node, n in waits.items() if n > 0}
        if not left:
            return None
        # Each of them waits for another: going back must meet itself.
        before = {}
        for node in left:
            for other in self.after[node]:
                before[other] = node
        path, node = [], next(iter(left))
        while node not in path:
            path.append(node)
            node = before[node]
        return path[path.index(node):][::-1]


def check_strong(history, registers):
    """One order of strong reads and writes over all objects: returns what cannot be, as texts."""
    graph, nodes = Graph(), set()
    for register in registers.values():
        applied = [r for r in register.ranks if register.values[r].applied]
        owners = [register.values[r].operation for r in applied]
        for a, b in zip(owners[1:], owners[2:]):
            if a != b:
                graph.edge(a, b)
        nodes.update(owners[1:])
        for number, least, greatest in register.reads:
            nodes.add(number)
            i = bisect.bisect_right(applied, least) - 1
            if i > 0:
                graph.edge(owners[i], number)
            i = bisect.bisect_right(applied, greatest)
            if i < len(applied):
                graph.edge(number, owners[i])
    graph.add_times([(n, history[n][1], FOREVER if history[n][2] is None else history[n][2])
                     for n in nodes])
    cycle = graph.cycle()
    if cycle is None:
        return []
    return ["no one order of strong reads and writes; each of these comes before the next, the last "
            "before the first: " + "; ".join("operation %d %s" % (n, history[n])
                                              for n in cycle if not isinstance(n, tuple))]


def check(history, initial=None):
    """Returns what cannot be, as texts; [] for a history that an order explains."""
    registers = registers_of(history, initial or {})
    wrong = [text for register in registers.values() for text in register.check()]
    return wrong or check_strong(history, registers)
