"""Attention: scores between queries and keys, their softmax under masks, and the sums of values they weigh.

Scores are indexed (N, H, T, S): sample, head, query step, key step. They're kept in memory with the key
steps first (see `scores_room`), where maxima and sums over key steps run along long rows: a softmax of
(64, 2, 32, 32) takes a third of the time that it takes with the key steps last.
"""

from kerasette.backend import xp_of
from kerasette.errors import value_error

LOW = 1e30  # minus this is what scores under a mask become: no score reaches it, and exp() of it is 0
SHIFT = 1e9  # what Keras's Attention takes off the scores under a mask
LONG = 64  # query steps from which key steps needn't be first: rows are long enough
EMPTY = (None, "mean", "zero", "own")


def scores_room(room, name, shape):
    """Returns an array for scores of `shape` (N, H, T, S), laid out in memory so that softmax is fast.

    Args:
        room: `room(name, shape)` makes an array or finds the one made before.
        name: of the array.
        shape: (N, H, T, S).
    """
    n, h, t, s = shape
    if t < LONG:
        return room(name, (s, n, h, t)).transpose(1, 2, 3, 0)
    return room(name, (n, h, s, t)).transpose(0, 1, 3, 2)


def fresh(x):
    """Returns a `room` that makes new arrays of the type of `x`."""
    xp, dtype = xp_of(x), x.dtype
    return lambda name, shape: xp.empty(shape, dtype)


# ---------------------------------------------------------------- scores and values


def attention_scores(query, key, scale=1.0, *, out=None):
    """Computes scale times the dot product of each query with each key, head by head.

    Args:
        query: (N, T, H, D).
        key: (N, S, G, D); G divides H, and H / G neighbouring heads of the query share one of the key.
        scale: a number, 1 / sqrt(D) in Vaswani et al. 2017.
        out: destination (N, H, T, S).

    Returns:
        Scores (N, H, T, S), and the cache for `attention_scores_backward`.
    """
    n, t, h, _ = query.shape
    if out is None:
        out = scores_room(fresh(query), "scores", (n, h, t, key.shape[1]))
    queries, keys = _heads(query, key)  # (N, G, R, T, D), (N, G, 1, S, D)
    xp_of(query).matmul(keys, queries.swapaxes(3, 4), out=_grouped(out, queries).swapaxes(3, 4))
    if scale != 1:
        out *= scale
    return out, (query, key, scale)


def attention_scores_backward(dy, cache, *, dquery=None, dkey=None):
    """Returns dquery (N, T, H, D) and dkey (N, S, G, D) of `attention_scores`."""
    query, key, scale = cache
    xp = xp_of(dy)
    queries, keys = _heads(query, key)
    dscores = _grouped(dy, queries)  # (N, G, R, T, S)
    dquery = xp.empty(query.shape, query.dtype) if dquery is None else dquery
    xp.matmul(dscores, keys, out=_grouped(dquery.swapaxes(1, 2), queries))
    dkey = _to_shared_heads(xp, dscores.swapaxes(3, 4), queries, key, dkey)
    if scale != 1:
        dquery *= scale
        dkey *= scale
    return dquery, dkey


def weighted_values(weights, value, *, out=None):
    """Computes the sum of the values, weighed for each query, head by head.

    Args:
        weights: (N, H, T, S).
        value: (N, S, G, D); G divides H as in `attention_scores`.
        out: destination (N, T, H, D).

    Returns:
        y (N, T, H, D), and the cache for `weighted_values_backward`.
    """
    xp = xp_of(weights)
    n, h, t, _ = weights.shape
    if out is None:
        out = xp.empty((n, t, h, value.shape[3]), value.dtype)
    target = out.swapaxes(1, 2)  # (N, H, T, D)
    _, values = _heads(target.swapaxes(1, 2), value)
    xp.matmul(_split(weights, value), values, out=_split(target, value))
    return out, (weights, value)


def weighted_values_backward(dy, cache, *, dweights=None, dvalue=None):
    """Returns dweights (N, H, T, S) and dvalue (N, S, G, D) of `weighted_values`."""
    weights, value = cache
    xp = xp_of(dy)
    if dweights is None:
        dweights = scores_room(fresh(dy), "dweights", weights.shape)
    douts, values = _heads(dy, value)  # (N, G, R, T, D), (N, G, 1, S, D)
    xp.matmul(values, douts.swapaxes(3, 4), out=_split(dweights, value).swapaxes(3, 4))
    dvalue = _to_shared_heads(xp, _split(weights, value).swapaxes(3, 4), douts, value, dvalue)
    return dweights, dvalue


def _heads(query, key):
    """Returns (N, T, H, D) and (N, S, G, D) as (N, G, R, T, D) and (N, G, 1, S, D): H = G R."""
    return _split(query.swapaxes(1, 2), key), key.swapaxes(1, 2)[:, :, None]


def _split(x, key):
    """Returns `x` (N, H, ...) with its heads by those of `key`: (N, G, R, ...); a view."""
    groups = key.shape[2]
    return x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])


def _grouped(x, queries):
    """Returns `x` (N, H, ...) with its heads as in `queries` (N, G, R, ...); a view."""
    return x.reshape(*queries.shape[:3], *x.shape[2:])


def _to_shared_heads(xp, left, right, key, out):
    """Returns the products (S, T) (T, D), added over the R heads that share a head of `key`; like `key`."""
    out = xp.empty(key.shape, key.dtype) if out is None else out
    target = out.swapaxes(1, 2)  # (N, G, S, D)
    if right.shape[2] == 1:
        xp.matmul(left[:, :, 0], right[:, :, 0], out=target)
    else:
        target[...] = xp.matmul(left, right).sum(2)
    return out


# ---------------------------------------------------------------- softmax under a mask


def masked_softmax(x, mask=None, empty="mean", *, out=None):
    """Computes the softmax over the last axis among the elements that a mask lets through.

    Args:
        x: (..., S).
        mask: bool, broadcastable to x: False excludes an element. None excludes none.
        empty: what a row gets in which every element is excluded: equal weights ("mean", with no gradient
            to x) or zeros ("zero"), as Keras's MultiHeadAttention has it in its two ways of computing; or
            what is left of its softmax when 1e9 is taken off every element ("own"), as in Keras's Attention.
            None says that there is no such row.
        out: destination like x, which may be x.

    Returns:
        y like x, and the cache for `masked_softmax_backward`.
    """
    xp = xp_of(x)
    source, alive = _under_mask(xp, x, mask, empty, out)
    out = source if mask is not None else out
    y = xp.subtract(source, source.max(-1, None, True), out=out)
    xp.exp(y, out=y)
    total = y.sum(-1, None, None, True)
    y *= (alive if empty == "zero" and alive is not None else 1.0) / total
    return y, (y, alive if empty == "mean" else None)


def masked_softmax_backward(dy, cache, *, dx=None):
    """Returns dx = y (dy - sum(dy y)), 0 in the rows that were equal weights; `dx` may be `dy`."""
    y, alive = cache
    xp = xp_of(dy)
    along = (dy * y).sum(-1, None, None, True)
    dx = xp.subtract(dy, along, out=dx)
    dx *= y
    if alive is not None:
        dx *= alive
    return dx


def _under_mask(xp, x, mask, empty, out):
    """Returns `x` with its excluded elements far down, and 1.0 or 0.0 for each row that has others or not."""
    if empty not in EMPTY:
        raise value_error(f"masked_softmax: empty must be one of {EMPTY}, got {empty!r}.")
    if mask is None:
        return x, None
    if empty == "own":
        return xp.add(x, xp.multiply(~mask, -SHIFT, dtype=x.dtype), out=out), None
    limit = xp.multiply(mask, 2 * LOW, dtype=x.dtype)
    limit -= LOW
    alive = None if empty is None else mask.any(-1, keepdims=True).astype(x.dtype)
    return xp.minimum(x, limit, out=out), alive


def merged_masks(steps, query_mask=None, value_mask=None, attention_mask=None, *, causal=False, window=None):
    """Returns one mask of what must all be True, or None where nothing is excluded.

    Args:
        steps: (array module, T, S).
        query_mask: bool (N, T).
        value_mask: list of bool (N, S), or None.
        attention_mask: bool (N or 1, H or 1, T or 1, S or 1).
        causal: whether a query sees no later key.
        window: None, or how far a key may be from a query: less than this.

    Returns:
        Bool (N or 1, H or 1, T or 1, S or 1), laid out like `scores_room`.
    """
    xp, t, s = steps
    parts = [] if attention_mask is None else [attention_mask.transpose(3, 0, 1, 2)]
    if query_mask is not None:
        parts.append(query_mask[None, :, None, :])
    parts += [mask.T[:, :, None, None] for mask in value_mask or ()]
    if causal or window is not None:
        ahead = xp.arange(s)[:, None, None, None] - xp.arange(t)  # (S, 1, 1, T)
        if causal:
            parts.append(ahead <= 0)
        if window is not None:
            parts.append(abs(ahead) < window)
    if not parts:
        return None
    merged = parts[0]
    for part in parts[1:]:
        merged = merged & part
    return xp.ascontiguousarray(merged).transpose(1, 2, 3, 0)
