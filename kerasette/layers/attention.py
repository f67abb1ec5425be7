"""Attention and AdditiveAttention: one head, nothing learned but a scale."""

from kerasette import functions
from kerasette.errors import fraction, one_of, type_error, value_error
from kerasette.layers.base import Layer
from kerasette.layers.core import checked_seed
from kerasette.registry import register
from kerasette.shapes import pretty


class _OneHead(Layer):
    """Base of the attention layers that are called on [query, value] or [query, value, key].

    A subclass makes the scores: `_scores(w, query, key)` returns them, (batch, Tq, Tv), and a cache, and
    `_scores_backward(dw, dscores, cache)` returns dquery and dkey.
    """

    input_ranks = (2,)
    inputs_wanted = None
    supports_masking = True
    tensor_arguments = ("mask",)
    call_options = ("return_attention_scores", "use_causal_mask")

    def _store(self, use_scale, dropout, seed):
        one_of(self.name, "use_scale", use_scale, (True, False))
        self.use_scale = use_scale
        self.dropout = fraction(self.name, "dropout", dropout)
        self.seed = checked_seed(self.name, seed)

    # ------------------------------------------------------------ calls

    def _check_inputs(self, shapes):
        if len(shapes) not in (2, 3):
            raise value_error(
                f"{self.name} ({type(self).__name__}) is called on [query, value] or [query, value, key],",
                f"got {len(shapes)} input(s).",
            )
        super()._check_inputs(shapes)

    def _named(self, named):
        if "mask" not in named:
            return named
        masks = named["mask"]
        if not isinstance(masks, (list, tuple)) or len(masks) not in (2, 3):
            raise type_error(f"{self.name}: mask is a list [query_mask, value_mask], each a mask or None.")
        pairs = zip(("query_mask", "value_mask"), masks, strict=False)
        return {name: mask for name, mask in pairs if mask is not None}

    def _call_symbolic(self, inputs, keywords, named, options):
        if keywords.get("mask") is None:
            pairs = zip(("query_mask", "value_mask"), inputs, strict=False)
            named = {name: tensor.mask for name, tensor in pairs if tensor.mask is not None}
        return super()._call_symbolic(inputs, keywords, named, options)

    def _automatic_masks(self, inputs, named):
        return {}  # Keras's files don't name masks that come along with the inputs

    def compute_mask(self, inputs, mask=None):
        """Returns the mask of the query."""
        return None if mask is None else mask[0]

    def output_shape(self, query, value, key=None, return_attention_scores=False):
        key = value if key is None else key
        if None not in (value[0], key[0]) and value[0] != key[0]:
            raise value_error(
                f"{self.name}: value and key need equally many steps, got {pretty(value)}, {pretty(key)}."
            )
        if None not in (query[-1], key[-1]) and query[-1] != key[-1]:
            raise value_error(
                f"{self.name}: query and key must have equally many features, got {query[-1]} and {key[-1]}."
            )
        result = (*query[:-1], value[-1])
        return (result, (query[0], key[0])) if return_attention_scores else result

    # ------------------------------------------------------------ the contract

    @property
    def draw(self):
        """What draws the weights to keep; None without dropout."""
        return self._draw if self.dropout else None

    def _draw(self, rng, batch, query, value, *_):
        return rng.keep((batch, 1, query[0], value[0]), self.dropout)

    def forward(
        self,
        ctx,
        w,
        query,
        value,
        key=None,
        *,
        query_mask=None,
        value_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        scores, scored = self._scores(w, query, value if key is None else key)
        y, weights, cache = functions.attend(
            scores,
            value,
            query_mask,
            value_mask,
            ctx.noise if ctx.training and self.dropout else None,
            causal=use_causal_mask,
            rate=self.dropout,
        )
        named = {"query_mask": query_mask, "value_mask": value_mask}
        names = [name for name, mask in named.items() if mask is not None]
        cache = (scored, cache, key is not None, names)
        return ((y, weights) if return_attention_scores else y), cache

    def backward(self, ctx, w, dw, dy, cache):
        scored, cache, has_key, names = cache
        dy, dweights = dy if isinstance(dy, tuple) else (dy, None)
        dscores, dvalue = functions.attend_backward(dy, cache, dweights=dweights)
        dquery, dkey = self._scores_backward(dw, dscores, scored)
        if not has_key:
            dvalue += dkey
        dxs = (dquery, dvalue, dkey) if has_key else (dquery, dvalue)
        return (*dxs, {}) if names else dxs


@register("layer")
class Attention(_OneHead):
    """Dot-product attention (Luong et al. 2015): the softmax of query key^T weighs the values.

    Called on [query, value] or [query, value, key]: (batch, Tq, D), (batch, Tv, E) and (batch, Tv, D);
    the key is the value where it is left out. Further arguments of the call: `mask`, a list [query_mask,
    value_mask] of bool (batch, steps) or None, which inputs with masks bring along: masked values aren't
    seen, masked queries give 0; `use_causal_mask`, whether a query sees no later value;
    `return_attention_scores`, whether the weights (batch, Tq, Tv) are a second output.

    Args:
        use_scale: whether the scores are multiplied by a number that is learned.
        score_mode: "dot", or "concat" for the sum of tanh(query + key) times a number that is learned.
        dropout: share of the weights that is dropped in training.
        seed: of this layer's random numbers; by default they follow the model's seed.

    Output: (batch, Tq, E).
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **base,
    ):
        super().__init__(**base)
        self._store(use_scale, dropout, seed)
        one_of(self.name, "score_mode", score_mode, ("dot", "concat"))
        self.score_mode = score_mode

    def build(self, *shapes):
        if self.use_scale:
            self.add_param("scale", (), "ones")
        if self.score_mode == "concat":
            self.add_param("concat_score_weight", (), "ones")

    def _scores(self, w, query, key):
        if self.score_mode == "concat":
            return functions.additive_scores(query, key, w.get("scale"), w["concat_score_weight"])
        return functions.scaled_scores(query, key, w.get("scale"))

    def _scores_backward(self, dw, dscores, cache):
        if self.score_mode == "dot":
            return functions.scaled_scores_backward(dscores, cache, dscale=dw.get("scale"))[:2]
        return functions.additive_scores_backward(
            dscores, cache, dinner=dw.get("scale"), douter=dw["concat_score_weight"]
        )[:2]


@register("layer")
class AdditiveAttention(_OneHead):
    """Additive attention (Bahdanau et al. 2015): the softmax of sum(scale tanh(query + key)) weighs values.

    It is called like `Attention`.

    Args:
        use_scale: whether there is a scale, one number for each feature, that is learned.
        dropout: share of the weights that is dropped in training.
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, *, seed: int | None = None, **base):
        super().__init__(**base)
        self._store(use_scale, dropout, seed)

    def build(self, query, *_):
        if self.use_scale:
            if query[-1] is None:
                raise value_error(f"{self.name} (AdditiveAttention) needs a known number of features.")
            self.add_param("scale", (query[-1],), "glorot_uniform")

    def _scores(self, w, query, key):
        return functions.additive_scores(query, key, None, w.get("scale"))

    def _scores_backward(self, dw, dscores, cache):
        return functions.additive_scores_backward(dscores, cache, douter=dw.get("scale"))[:2]
