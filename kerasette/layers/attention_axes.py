"""Which axes a multi-head attention runs along: inputs of any rank folded to (samples, steps, features)."""

import math
from functools import lru_cache
from itertools import pairwise

from kerasette.errors import value_error
from kerasette.functions import merged_masks
from kerasette.shapes import normalize_axes, pretty


class AttentionAxes:
    """The axes of query, value and key that attention runs along, and those that are like samples.

    Args:
        owner: who asks, for messages.
        axes: counted with the batch as axis 0; None for all but the batch and the features.
        rank: number of axes of the inputs.
    """

    def __init__(self, owner, axes, rank):
        self.owner, self.rank = owner, rank
        self.axes = tuple(range(1, rank - 1)) if axes is None else normalize_axes(axes, rank, owner)
        if 0 in self.axes or rank - 1 in self.axes:
            raise value_error(
                f"{owner}: attention_axes must name axes between the batch and the features, got {axes}",
                f"for inputs with {rank} axes.",
            )
        self.others = tuple(axis for axis in range(1, rank - 1) if axis not in self.axes)
        self.order = (0, *self.others, *self.axes)

    # ------------------------------------------------------------ descriptions

    def check(self, query, value, key):
        """Raises unless the shapes of one sample of query, value and key go together."""
        pairs = [(value[a - 1], key[a - 1]) for a in (*self.others, *self.axes)]
        pairs += [(query[a - 1], value[a - 1]) for a in self.others]
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise value_error(
                f"{self.owner}: samples of query {pretty(query)}, value {pretty(value)}, key {pretty(key)}",
                "don't go together. Value and key need the same steps, and all three the same lengths on",
                f"axes that aren't attended along ({', '.join(map(str, self.others)) or 'none here'}).",
            )

    def check_masks(self, query_mask, value_mask, key_mask, limited):
        """Raises where masks of steps, or of their order, meet several axes."""
        if len(self.axes) > 1 and (limited or any(m is not None for m in (query_mask, value_mask, key_mask))):
            raise value_error(
                f"{self.owner}: masks of steps, use_causal_mask and sliding_window need one axis to attend",
                f"along, not {self.axes}. Give an attention_mask of shape (batch, queries ..., values ...).",
            )

    def scores(self, query, value, heads):
        """Returns the shape of the scores of one sample, given those of query and value."""
        lengths = [query[a - 1] for a in self.others]
        return (*lengths, heads, *[query[a - 1] for a in self.axes], *[value[a - 1] for a in self.axes])

    # ------------------------------------------------------------ inputs and outputs

    def fold(self, x):
        """Returns `x` with its axes as (samples, steps, the rest)."""
        if self.rank == 3:
            return x
        x = x.transpose(*self.order, *range(self.rank - 1, x.ndim))
        between = len(self.others) + 1
        sizes = math.prod(x.shape[:between]), math.prod(x.shape[between : self.rank - 1])
        return x.reshape(*sizes, *x.shape[self.rank - 1 :])

    def fold_all(self, query, value, key):
        """Returns the three folded; those that are one array stay one array."""
        done = {id(x): self.fold(x) for x in (query, value, key)}
        return [done[id(x)] for x in (query, value, key)]

    def unfold(self, y, shape):
        """Returns a folded `y` with the axes of an array of `shape` but the last, then its own rest."""
        if self.rank == 3 or y is None:
            return y
        y = y.reshape(*[shape[axis] for axis in self.order], *y.shape[2:])
        back = [self.order.index(axis) for axis in range(self.rank - 1)]
        return y.transpose(*back, *range(self.rank - 1, y.ndim))

    # ------------------------------------------------------------ scores and masks

    def fold_scores(self, scores):
        """Returns scores (batch, others ..., heads, queries ..., values ...) as (N, H, T, S)."""
        if self.rank == 3:
            return scores
        between, count = len(self.others) + 1, len(self.axes)
        parts = (0, between, between + 1, between + 1 + count, between + 1 + 2 * count)
        sizes = [math.prod(scores.shape[a:b]) for a, b in pairwise(parts)]
        return scores.reshape(sizes)

    def unfold_scores(self, scores, query, value):
        """Returns (N, H, T, S) as (batch, others ..., heads, queries ..., values ...)."""
        if self.rank == 3:
            return scores
        return scores.reshape(query[0], *self.scores(query[1:], value[1:], scores.shape[1]))

    def merged(self, xp, query, value, masks, causal, window):
        """Returns one mask (N or 1, H or 1, T or 1, S or 1) of what must all be True, or None.

        Args:
            xp: array module.
            query, value: shapes of the arrays.
            masks: {"query_mask": ..., "value_mask": ..., "key_mask": ..., "attention_mask": ...}.
            causal, window: see `functions.merged_masks`.
        """
        given = {name: mask.astype(bool, copy=False) for name, mask in masks.items() if mask is not None}
        if not given and not causal and window is None:
            return None
        whole = given.pop("attention_mask", None)
        if whole is not None:
            whole = self._whole_mask(xp, whole, query, value)
        rows = [given.pop(name) for name in ("value_mask", "key_mask") if name in given]
        others = math.prod(query[axis] for axis in self.others)
        spread = {name: self._steps(xp, mask, others) for name, mask in given.items()}
        rows = [self._steps(xp, mask, others) for mask in rows]
        steps = (xp, *[math.prod(shape[axis] for axis in self.axes) for shape in (query, value)])
        return merged_masks(steps, spread.get("query_mask"), rows, whole, causal=causal, window=window)

    def _steps(self, xp, mask, others):
        """Returns a mask of steps as (N, steps): one (batch, steps) holds for all other axes."""
        if mask.ndim == self.rank - 1:
            return self.fold(mask)
        return mask if others == 1 else xp.repeat(mask, others, axis=0)

    def _whole_mask(self, xp, mask, query, value):
        """Returns an attention_mask as (N or 1, H or 1, T or 1, S or 1)."""
        count = len(self.axes)
        while mask.ndim < self.rank + count:  # as Keras does: new axes stand where the heads are
            mask = mask[(..., None, *[slice(None)] * (2 * count))]
        if self.rank == 3:
            return mask
        shape = (query[0], *self.scores(query[1:], value[1:], mask.shape[-2 * count - 1]))
        return self.fold_scores(xp.broadcast_to(mask, shape))


attention_axes = lru_cache(maxsize=1024)(AttentionAxes)
