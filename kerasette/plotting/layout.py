"""Where the boxes of a graph stand: ranks by longest path, order by barycentres, few bends.

After Sugiyama, Tagawa and Toda 1981: boxes are put on ranks; an arrow over several ranks passes through
a point on each; the order within a rank follows the mean position of the neighbours. "Breadth" runs
along a rank, "depth" from rank to rank; which of them is the height, the drawing decides.
"""

import math
from bisect import bisect_right, insort
from itertools import pairwise

BETWEEN = 0.3  # inches between two boxes of a rank
DUMMY = 0.12  # breadth that a passing arrow takes
GAP = 0.42  # inches between two ranks, at least
STEEP = 0.12  # more gap for each inch that an arrow runs sideways
TALLEST = 30.0  # inches; deeper graphs are folded into columns
SWEEPS = 8  # over the order; three times as many over the positions
MANY = 3000  # boxes and points; beyond, fewer sweeps


class Layout:
    """Positions of boxes and arrows.

    Attributes:
        centers: (breadth, depth) of the middle of each box.
        routes: for each arrow the points that it passes between its ends.
        size: (breadth, depth) of the whole.
    """

    __slots__ = ("centers", "routes", "size")

    def __init__(self, centers, routes, size):
        self.centers, self.routes, self.size = centers, routes, size


def place(sizes, arrows) -> Layout:
    """Returns the layout of boxes of `sizes` (breadth, depth), joined by `arrows` (source, target).

    The boxes stand in topological order: each arrow leads to a later one.
    """
    if not sizes:
        return Layout([], [], (0.0, 0.0))
    grid = _Grid(sizes, arrows)
    _order(grid)
    across = _positions(grid)
    return _finish(grid, across)


class _Grid:
    """The boxes and the points where long arrows pass, by rank.

    Arrows from the same box to farther ranks share one chain of points.
    """

    def __init__(self, sizes, arrows):
        self.sizes, self.arrows = sizes, arrows
        self.rank = _ranks(len(sizes), arrows)
        self.ranks = [[] for _ in range(max(self.rank) + 1)]
        self.breadth = [size[0] for size in sizes]
        self.level = list(self.rank)
        for box, rank in enumerate(self.rank):
            self.ranks[rank].append(box)
        self.chains = [[box] for box in range(len(sizes))]  # box -> itself and the points behind it
        for source, target in arrows:
            chain = self.chains[source]
            while self.rank[source] + len(chain) < self.rank[target]:
                chain.append(self._point(self.rank[source] + len(chain)))
        self.above = [[] for _ in self.level]
        self.below = [[] for _ in self.level]
        links = {(one, two) for chain in self.chains for one, two in pairwise(chain)}
        links |= {(self.chains[s][self.rank[t] - self.rank[s] - 1], t) for s, t in arrows}
        for one, two in sorted(links):
            self.below[one].append(two)
            self.above[two].append(one)

    def _point(self, rank):
        self.breadth.append(DUMMY)
        self.level.append(rank)
        self.ranks[rank].append(len(self.level) - 1)
        return len(self.level) - 1

    def is_point(self, item):
        """Tells whether `item` is a point of an arrow, and no box."""
        return item >= len(self.sizes)


def _ranks(count, arrows):
    """Returns the rank of each box: its longest path from a source; sources stand near their first use."""
    rank, first, fed = [0] * count, {}, set()
    for source, target in sorted(arrows, key=lambda arrow: arrow[1]):
        rank[target] = max(rank[target], rank[source] + 1)
        fed.add(target)
    for source, target in arrows:
        first[source] = min(first.get(source, rank[target]), rank[target])
    for source, use in first.items():
        if source not in fed:
            rank[source] = use - 1
    return rank


# ---------------------------------------------------------------- order within the ranks


def _order(grid):
    """Sorts each rank by the mean position of the neighbours; keeps the order with the fewest crossings."""
    if all(len(rank) == 1 for rank in grid.ranks):
        return
    best, fewest = None, None
    for sweep in range(SWEEPS):
        crossings = _crossings(grid)
        if fewest is None or crossings < fewest:
            best, fewest = [list(rank) for rank in grid.ranks], crossings
        if fewest == 0:
            break
        down = sweep % 2 == 0
        neighbours = grid.above if down else grid.below
        place = {}
        for rank in grid.ranks if down else reversed(grid.ranks):
            order = {item: k for k, item in enumerate(rank)}
            mean = {item: _mean([place[n] for n in neighbours[item]], order[item]) for item in rank}
            rank.sort(key=lambda item, mean=mean, order=order: (mean[item], order[item]))
            place.update((item, k) for k, item in enumerate(rank))
    grid.ranks = best


def _mean(values, otherwise):
    return sum(values) / len(values) if values else otherwise


def _crossings(grid):
    total = 0
    for upper, lower in pairwise(grid.ranks):
        place = {item: k for k, item in enumerate(lower)}
        seen = []
        for item in upper:
            ends = sorted(place[target] for target in grid.below[item])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


# ---------------------------------------------------------------- positions


def _positions(grid):
    """Returns the breadth position of each item: near its neighbours, order and distances kept."""
    across = [0.0] * len(grid.level)
    for rank in grid.ranks:
        _spread(grid, rank, dict.fromkeys(rank, 0.0), across)
    sweeps = SWEEPS if len(across) > MANY else 3 * SWEEPS
    for sweep in range(sweeps if any(len(rank) > 1 for rank in grid.ranks) else 0):
        down = sweep % 2 == 0
        near, far = (grid.above, grid.below) if down else (grid.below, grid.above)
        for rank in grid.ranks if down else reversed(grid.ranks):
            wanted = {
                item: _pull(grid, item, near[item] if sweep < SWEEPS / 2 else near[item] + far[item], across)
                for item in rank
            }
            _spread(grid, rank, wanted, across)
    return across


def _pull(grid, item, neighbours, across):
    """Returns the mean position of the neighbours; long arrows pull harder, so that they get straight."""
    total = weight = 0.0
    for other in neighbours:
        points = grid.is_point(item) + grid.is_point(other)
        strength = (1.0, 2.0, 8.0)[points]
        total += strength * across[other]
        weight += strength
    return total / weight if weight else across[item]


def _spread(grid, rank, wanted, across):
    """Sets `across` of a rank as near to `wanted` as the distances allow (least squares).

    Without the distances this is isotonic regression; pooling adjacent violators solves it.
    """
    offset, before, pools = 0.0, None, []
    offsets = []
    for item in rank:
        if before is not None:
            offset += (grid.breadth[before] + grid.breadth[item]) / 2 + BETWEEN
        before = item
        offsets.append(offset)
        weight = 3.0 if grid.is_point(item) else 1.0  # straight arrows matter more than centred boxes
        pools.append([(wanted[item] - offset) * weight, weight, 1])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] > pools[-1][0] * pools[-2][1]:
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    values = [total / weight for total, weight, count in pools for _ in range(count)]
    for item, value, shift in zip(rank, values, offsets, strict=True):
        across[item] = value + shift


def _finish(grid, across):
    """Returns the Layout: depth of each rank, deep graphs folded into columns, the arrows' points."""
    depths = [
        max((grid.sizes[i][1] for i in rank if not grid.is_point(i)), default=0.0) for rank in grid.ranks
    ]
    breadth = max(across) - min(across) + max(grid.breadth)
    tops, columns = _fold(depths, [_gap(grid, rank, across) for rank in grid.ranks], breadth)
    across, gutters = _columns(grid, across, columns)
    folds = {}  # (number of a fold, item before it) -> how many others pass there already

    def passed(source, target):
        points = []
        for rank in range(grid.rank[source], grid.rank[target]):
            item, following = grid.chains[source][rank - grid.rank[source]], target
            if rank > grid.rank[source]:
                points += [(across[item], tops[rank]), (across[item], tops[rank] + depths[rank])]
            if rank + 1 < grid.rank[target]:
                following = grid.chains[source][rank + 1 - grid.rank[source]]
            if columns[rank] != columns[rank + 1]:
                others = sum(1 for fold, _ in folds if fold == rank)
                aside = 0.05 * folds.setdefault((rank, item), min(others, 3))
                low, high = tops[rank] + depths[rank] + GAP / 2 - aside, tops[rank + 1] - GAP / 2 - aside
                gutter = gutters[columns[rank]] - aside
                points += [(across[item], low), (gutter, low), (gutter, high), (across[following], high)]
        return points

    centers = [(across[box], tops[rank] + depths[rank] / 2) for box, rank in enumerate(grid.rank)]
    deepest = max((top + depth for top, depth in zip(tops, depths, strict=True)))
    return Layout(
        centers,
        [passed(*arrow) for arrow in grid.arrows],
        (gutters[-1] - BETWEEN, deepest + (GAP if len(gutters) > 1 else 0.0)),
    )


def _columns(grid, across, columns):
    """Returns the positions with each column of ranks beside the one before, and the gaps behind them."""
    ends = [[float("inf"), float("-inf")] for _ in range(max(columns) + 1)]
    for item, rank in enumerate(grid.level):
        end = ends[columns[rank]]
        end[0] = min(end[0], across[item] - grid.breadth[item] / 2)
        end[1] = max(end[1], across[item] + grid.breadth[item] / 2)
    begin, shifts, gutters = 0.0, [], []
    for left, right in ends:
        shifts.append(begin - left)
        gutters.append(begin + (right - left) + BETWEEN)
        begin = gutters[-1] + BETWEEN
    return [position + shifts[columns[grid.level[k]]] for k, position in enumerate(across)], gutters


def _gap(grid, rank, across):
    sideways = max((abs(across[i] - across[n]) for i in rank for n in grid.below[i]), default=0.0)
    return min(GAP + STEEP * sideways, 3 * GAP)


def _fold(depths, gaps, breadth):
    """Returns the top of each rank and its column; a graph of more than TALLEST inches gets several."""
    total = sum(depths) + sum(gaps)
    wanted = max(TALLEST, (total * (breadth + 2 * BETWEEN)) ** 0.5)
    limit = total / math.ceil(total / wanted) if total else 0.0  # columns of about equal length
    tops, columns, here, column = [], [], 0.0, 0
    for depth, gap in zip(depths, gaps, strict=True):
        if total > TALLEST and here + depth > limit + GAP + gap:
            here, column = GAP, column + 1
        tops.append(here)
        columns.append(column)
        here += depth + gap
    return tops, columns
