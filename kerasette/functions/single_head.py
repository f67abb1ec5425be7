"""Attention with one head: scores of two kinds, and what Keras's Attention makes of them."""

from kerasette.backend import xp_of
from kerasette.functions import attention as parts
from kerasette.functions.common import put
from kerasette.functions.core import dropout, dropout_backward
from kerasette.functions.elementwise import sum_to

# ---------------------------------------------------------------- scores


def scaled_scores(query, key, scale=None):
    """Computes the dot product of each query with each key, times `scale`. Luong et al. 2015.

    Args:
        query: (N, T, D).
        key: (N, S, D).
        scale: one number as an array (), or None for 1.

    Returns:
        Scores (N, T, S), and the cache for `scaled_scores_backward`.
    """
    raw, cache = parts.attention_scores(query[:, :, None], key[:, :, None])  # (N, 1, T, S)
    raw = raw[:, 0]
    return (raw if scale is None else raw * scale), (raw, cache, scale)


def scaled_scores_backward(dy, cache, *, dquery=None, dkey=None, dscale=None):
    """Returns dquery, dkey and dscale of `scaled_scores`; dscale is None where there was no scale."""
    raw, cache, scale = cache
    if scale is not None:
        dscale = sum_to(dy * raw, (), dscale)
        dy = dy * scale
    found = parts.attention_scores_backward(dy[:, None], cache)
    return put(found[0][:, :, 0], dquery), put(found[1][:, :, 0], dkey), None if scale is None else dscale


def additive_scores(query, key, inner=None, outer=None):
    """Computes the scores sum over d of outer_d tanh(inner (query_d + key_d)). Bahdanau et al. 2015.

    Args:
        query: (N, T, D).
        key: (N, S, D).
        inner: one number as an array (), or None for 1.
        outer: (D,) or (), or None for 1.

    Returns:
        Scores (N, T, S), and the cache for `additive_scores_backward`.
    """
    xp = xp_of(query)
    total = query[:, :, None] + key[:, None]  # (N, T, S, D)
    bent = xp.tanh(total if inner is None else total * inner)
    if outer is not None and outer.ndim:
        y = xp.matmul(bent, outer)
    else:
        y = bent.sum(-1)
        y = y if outer is None else y * outer
    return y, (bent, total if inner is not None else None, inner, outer)


def additive_scores_backward(dy, cache, *, dquery=None, dkey=None, dinner=None, douter=None):
    """Returns dquery, dkey, dinner and douter of `additive_scores`, None for what was None."""
    bent, total, inner, outer = cache
    spread = dy[..., None]  # (N, T, S, 1)
    dslope = 1.0 - bent * bent
    dslope *= spread
    if outer is not None:
        douter = sum_to(spread * bent, outer.shape, douter)
        dslope *= outer
    if inner is not None:
        dinner = sum_to(dslope * total, (), dinner)
        dslope *= inner
    return put(dslope.sum(2), dquery), put(dslope.sum(1), dkey), dinner, douter


# ---------------------------------------------------------------- values


def attend(scores, value, query_mask=None, value_mask=None, keep=None, *, causal=False, rate=0.0):
    """Computes the sum of the values, weighed by the softmax of the scores.

    Args:
        scores: (N, T, S).
        value: (N, S, E).
        query_mask: bool (N, T), or None: a query that is False gets 0.
        value_mask: bool (N, S), or None: a value that is False isn't seen.
        keep: bool (N, 1, T, S), drawn by the caller: False drops a weight; None drops none.
        causal: whether a query sees no later value.
        rate: the probability of False in `keep`.

    Returns:
        y (N, T, E), the weights after dropout (N, T, S), and the cache for `attend_backward`.
    """
    xp, (_, t, s) = xp_of(scores), scores.shape
    mask = parts.merged_masks((xp, t, s), None, None if value_mask is None else [value_mask], causal=causal)
    weights, softened = parts.masked_softmax(scores[:, None], mask, "own")
    weights, kept = (weights, None) if keep is None else dropout(weights, keep, rate)
    y, summed = parts.weighted_values(weights, value[:, :, None])
    y = y[:, :, 0]
    if query_mask is not None:
        y *= query_mask[..., None]
    return y, weights[:, 0], (softened, kept, summed, query_mask)


def attend_backward(dy, cache, dweights=None):
    """Returns dscores and dvalue of `attend`.

    Args:
        dy: gradient by y, (N, T, E).
        cache: from `attend`.
        dweights: gradient by the weights after dropout (N, T, S), or None.
    """
    softened, kept, summed, query_mask = cache
    if query_mask is not None:
        dy = dy * query_mask[..., None]
    inner, dvalue = parts.weighted_values_backward(dy[:, :, None], summed)
    if dweights is not None:
        inner += dweights[:, None]
    if kept is not None:
        dropout_backward(inner, kept, dx=inner)
    dscores = parts.masked_softmax_backward(inner, softened, dx=inner)
    return dscores[:, 0], dvalue[:, :, 0]
