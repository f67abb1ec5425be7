"""Multi-head attention as a whole: projections, attention, output projection. Vaswani et al. 2017.

Weights come in a dict: "query/kernel" (E, H, D), "query/bias" (H, D), the same for "key", "value" and
"gate", and "attention_output/kernel" (H, D, ...), "attention_output/bias" (...). Biases and the gate may
be missing. Long calls are what makes it fast: one product for each projection, and where one input is
projected several times, one product for all of its gradients.
"""

import math

from kerasette.backend import xp_of
from kerasette.functions import attention as parts
from kerasette.functions.activations import sigmoid, sigmoid_backward
from kerasette.functions.core import dropout, dropout_backward, sum_rows

NARROW = 128  # features up to which a product for each sample, which may turn its result, costs no more


def multi_head_attention(
    query, value, key, w, mask=None, *, empty="mean", keep=None, rate=0.0, room=None, out=None
):
    """Computes attention between projections of the inputs, several heads side by side.

    Args:
        query: (N, T, E).
        value: (N, S, F).
        key: (N, S, K); may be `value` itself, and both may be `query` itself.
        w: {name: array}, see above; key and value may have fewer heads than the query, H = G R.
        mask, empty: see `masked_softmax`; the mask is broadcastable to (N, H, T, S).
        keep, rate: dropout of the weights, see `attend`.
        room: `room(name, shape)` gives the arrays for what backward needs; new ones unless given.
        out: destination (N, T, ...).

    Returns:
        y (N, T, ...), the weights before dropout (N, H, T, S), and the cache for
        `multi_head_attention_backward`.
    """
    xp = xp_of(query)
    room = room or parts.fresh(query)
    scale = 1.0 / math.sqrt(w["query/kernel"].shape[2])
    q = _project(xp, query, w, "query", room)
    k = _project(xp, key, w, "key", room, turned=key.shape[2] <= NARROW)
    v = _project(xp, value, w, "value", room, turned=value.shape[2] <= NARROW)
    q *= scale
    shape = (len(q), q.shape[2], q.shape[1], k.shape[1])
    scores, scored = parts.attention_scores(q, k, out=parts.scores_room(room, "weights", shape))
    weights, softened = parts.masked_softmax(scores, mask, empty, out=scores)
    dropped, kept = weights, None
    if keep is not None:
        dropped, kept = dropout(weights, keep, rate, out=parts.scores_room(room, "dropped", shape))
    mixed = room("mixed", (*q.shape[:3], v.shape[3]))
    mixed, summed = parts.weighted_values(dropped, v, out=mixed)
    gated = _gate(xp, query, mixed, w, room)
    y = _put_out(mixed if gated is None else gated[0], w, room, out)
    return y, weights, ((query, value, key), w, (scored, softened, kept, summed), gated, mixed, scale)


def _project(xp, x, w, name, room, turned=False):
    """Returns x kernel + bias as (N, T, H, D); laid out in memory as (N, H, D, T) where it is `turned`.

    A product of two small matrices is up to three times slower where only its second factor is
    transposed; with turned keys and values none of the six products of attention has that form.
    """
    kernel, bias = w[f"{name}/kernel"], w.get(f"{name}/bias")
    n, t, e = x.shape
    _, h, d = kernel.shape
    flat = kernel.reshape(e, h * d)
    if turned:
        memory = room(name, (n, h * d, t))
        y = xp.matmul(x, flat, out=memory.swapaxes(1, 2))
        found = memory.reshape(n, h, d, t).transpose(0, 3, 1, 2)
    else:
        memory = room(name, (n, t, h * d))
        y = x.reshape(-1, e).dot(flat, memory.reshape(-1, h * d)).reshape(n, t, h * d)
        found = memory.reshape(n, t, h, d)
    if bias is not None:
        y += bias.reshape(-1)
    return found


def _gate(xp, query, mixed, w, room):
    """Returns mixed values times sigmoid(query kernel + bias), and the sigmoid; None without a gate.

    Qiu et al. 2025.
    """
    if "gate/kernel" not in w:
        return None
    open_share = _project(xp, query, w, "gate", room)
    sigmoid(open_share, out=open_share)
    return xp.multiply(mixed, open_share, out=room("gated", mixed.shape)), open_share


def _put_out(mixed, w, room, out):
    """Returns the output projection of the heads' values (N, T, H, D)."""
    kernel, bias = w["attention_output/kernel"], w.get("attention_output/bias")
    rows = mixed.reshape(-1, mixed.shape[2] * mixed.shape[3])
    flat = kernel.reshape(rows.shape[1], -1)
    shape = (*mixed.shape[:2], *kernel.shape[2:])
    y = room("y", shape) if out is None or not out.flags.c_contiguous else out
    rows = rows.dot(flat, y.reshape(len(rows), flat.shape[1]))
    if bias is not None:
        rows += bias.reshape(-1)
    if out is None or out is y:
        return y
    out[...] = y
    return out


# ---------------------------------------------------------------- backward


def multi_head_attention_backward(dy, cache, *, dweights=None, need_dx=True, dw=None, room=None):
    """Returns dquery, dvalue, dkey of `multi_head_attention`, and {name: gradient} of its weights.

    Args:
        dy: gradient by y, (N, T, ...).
        cache: from `multi_head_attention`.
        dweights: gradient by the weights before dropout (N, H, T, S), or None.
        need_dx: whether the inputs' gradients are wanted; if not, they come back as None.
        dw: {name: destination}; new arrays unless given.
        room: as in `multi_head_attention`.

    Returns:
        dquery, dvalue, dkey, and the dict. Where inputs are one array, the first of them has the gradient
        of all, and the others have None.
    """
    inputs, w, core, gated, mixed, scale = cache
    xp = xp_of(dy)
    room = room or parts.fresh(dy)
    dw = {name: xp.empty(array.shape, array.dtype) for name, array in w.items()} if dw is None else dw
    jobs = _Projections(xp, inputs, w, room)
    dmixed = _put_out_backward(xp, dy, mixed if gated is None else gated[0], w, dw, room)
    if gated is not None:
        share = gated[1]
        dgate = xp.multiply(dmixed, mixed, out=jobs.gradient("gate"))
        dmixed *= share
        sigmoid_backward(dgate, share, dx=dgate)
    scored, softened, kept, summed = core
    inner = parts.scores_room(room, "dscores", summed[0].shape)
    parts.weighted_values_backward(dmixed, summed, dweights=inner, dvalue=jobs.gradient("value"))
    if kept is not None:
        dropout_backward(inner, kept, dx=inner)
    if dweights is not None:
        inner += dweights
    parts.masked_softmax_backward(inner, softened, dx=inner)
    dquery = jobs.gradient("query")
    parts.attention_scores_backward(inner, scored, dquery=dquery, dkey=jobs.gradient("key"))
    dquery *= scale
    return (*jobs.finish(dw, need_dx), dw)


def _put_out_backward(xp, dy, mixed, w, dw, room):
    """Returns the gradient by what goes into the output projection; fills that of its weights."""
    kernel = w["attention_output/kernel"]
    rows = mixed.reshape(-1, kernel.shape[0] * kernel.shape[1])
    flat = kernel.reshape(rows.shape[1], -1)
    dys = dy.reshape(len(rows), flat.shape[1])
    rows.T.dot(dys, dw["attention_output/kernel"].reshape(flat.shape))
    if "attention_output/bias" in w:
        sum_rows(dys, dw["attention_output/bias"].reshape(-1))
    dmixed = room("dmixed", mixed.shape)
    dys.dot(flat.T, dmixed.reshape(rows.shape))
    return dmixed


class _Projections:
    """The way back through the projections: those of one input lie side by side, in one array.

    Args:
        xp: array module.
        inputs: query, value, key; some of them may be one array.
        w: the weights.
        room: see `multi_head_attention`.
    """

    def __init__(self, xp, inputs, w, room):
        self.xp, self.inputs, self.w, self.room = xp, inputs, w, room
        query, value, key = inputs
        sources = {"query": query, "gate": query, "key": key, "value": value}
        self._groups = []  # (input, names of its projections, their gradients (N, T, widths))
        self._places = {}  # name -> its gradient (N, T, H, D)
        for x in (query, value, key):
            names = [name for name in sources if sources[name] is x and f"{name}/kernel" in w]
            if not names or names[0] in self._places:
                continue
            widths = [w[f"{name}/kernel"][0].size for name in names]
            whole = room(f"d{'_'.join(names)}", (*x.shape[:2], sum(widths)))
            self._groups.append((x, names, whole))
            begin = 0
            for name, width in zip(names, widths, strict=True):
                heads = w[f"{name}/kernel"].shape[1:]
                self._places[name] = whole[..., begin : begin + width].reshape(*x.shape[:2], *heads)
                begin += width

    def gradient(self, name):
        """Returns the array (N, T, H, D) for the gradient by one projection's result."""
        return self._places[name]

    def finish(self, dw, need_dx):
        """Fills the gradients of kernels and biases; returns those of the inputs, None for repeated ones."""
        found = [None] * len(self.inputs)
        for x, names, whole in self._groups:
            rows, drows = x.reshape(-1, x.shape[2]), whole.reshape(-1, whole.shape[2])
            self._fill(names, rows, drows, dw)
            if need_dx:
                place = next(k for k, one in enumerate(self.inputs) if one is x)
                kernels = [self.w[f"{name}/kernel"].reshape(x.shape[2], -1) for name in names]
                kernel = kernels[0] if len(kernels) == 1 else self.xp.concatenate(kernels, axis=1)
                dx = self.room(f"dx_{names[0]}", x.shape)
                drows.dot(kernel.T, dx.reshape(rows.shape))
                found[place] = dx
        return found

    def _fill(self, names, rows, drows, dw):
        dkernel = rows.T.dot(drows)  # (E, widths)
        dbias = sum_rows(drows) if any(f"{name}/bias" in self.w for name in names) else None
        begin = 0
        for name in names:
            target = dw[f"{name}/kernel"]
            end = begin + target[0].size
            target[...] = dkernel[:, begin:end].reshape(target.shape)
            if f"{name}/bias" in self.w:
                dw[f"{name}/bias"][...] = dbias[begin:end].reshape(target.shape[1:])
            begin = end
