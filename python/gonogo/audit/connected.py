"""Pairs -> groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


class Connected:
    """Disjoint sets of the numbers 0 to count - 1 (union by the lowest member, with path halving)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, i: int) -> int:
        """Return the lowest number of the set that holds ``i``."""
        parents = self._parents
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    def join(self, members: Iterable[int]) -> None:
        """Make one set of those that hold ``members``."""
        first = None
        for member in members:
            root = self.root(member)
            if first is None:
                first = root
            elif first != root:
                low, high = min(first, root), max(first, root)
                self._parents[high] = low
                first = low

    def roots(self) -> list[int]:
        """Return the root of each number."""
        return [self.root(i) for i in range(len(self._parents))]

    def groups(self, least: int = 2) -> list[list[int]]:
        """Return the sets of at least ``least`` members, by their first member."""
        sets: dict[int, list[int]] = defaultdict(list)
        for i, root in enumerate(self.roots()):
            sets[root].append(i)
        return [members for members in sets.values() if len(members) >= least]
