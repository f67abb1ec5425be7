"""What the attention layers with projections share: their calls, their parameters, the contract."""

from kerasette import functions, initializers
from kerasette.errors import fraction, one_of, positive_int, type_error, value_error
from kerasette.layers.attention_axes import attention_axes
from kerasette.layers.base import Layer, as_tensor
from kerasette.layers.core import checked_seed
from kerasette.layers.einsum_dense import EinsumDense
from kerasette.layers.nesting import Nesting
from kerasette.registry import auto_name
from kerasette.shapes import pretty

MASKS = ("query_mask", "value_mask", "key_mask", "attention_mask")


class ProjectedAttention(Nesting):
    """Base of the layers that attend between projections: calls, masks, the contract.

    A subclass stores its own arguments and defines `_heads()`: {name of a projection: (heads, width)}
    in the order of the weights, and `_output_lengths(features)`: the lengths of the output's last axes.
    """

    config_hidden = (*Layer.config_hidden, "flash_attention")
    inputs_wanted = None
    inputs_apart = True
    supports_masking = True
    tensor_arguments = MASKS
    call_options = ("return_attention_scores", "use_causal_mask")
    attention_axes = None
    saved_prefix = ""  # of the projections' names in files

    def _store(self, dropout, use_bias, sliding_window, flash_attention, use_gate, seed, **weights):
        self.dropout = fraction(self.name, "dropout", dropout)
        for name, value in (("use_bias", use_bias), ("use_gate", use_gate)):
            one_of(self.name, name, value, (True, False))
            setattr(self, name, value)
        if sliding_window is not None:
            positive_int(self.name, "sliding_window", sliding_window)
        self.sliding_window = sliding_window
        if flash_attention:
            raise value_error(f"{self.name}: flash_attention isn't provided; leave it at None.")
        self.flash_attention = flash_attention
        self.seed = checked_seed(self.name, seed)
        if weights["activity_regularizer"] is not None:
            raise value_error(
                f"{self.name}: activity_regularizer, which would be that of each projection, isn't provided.",
                "Put ActivityRegularization behind the layer.",
            )
        for name, value in weights.items():
            setattr(self, name, value)

    # ------------------------------------------------------------ parameters

    def build(self, query, value, key=None):
        sources = {"query": query, "key": value if key is None else key, "gate": query, "value": value}
        for name, (heads, width) in self._heads().items():
            self._add_projection(name, sources[name], "...a,abc->...bc", (heads, width), "bc")
        heads, width = self._heads()["value"]
        heads, lengths = self._heads()["query"][0], self._output_lengths(query[-1])
        letters = "cdefghijk"[: len(lengths)]
        equation = f"...ab,ab{letters}->...{letters}"
        self._add_projection("attention_output", (*query[:-1], heads, width), equation, lengths, letters)
        for unused in ("softmax", "dropout"):
            auto_name(unused)  # Keras makes layers of these names here, which later ones are counted from

    def _add_projection(self, name, shape, equation, lengths, bias_axes):
        """Makes one EinsumDense, reachable as in Keras (`_query_dense`)."""
        names = [f"{part}_{what}" for part in ("kernel", "bias") for what in ("regularizer", "constraint")]
        part = EinsumDense(
            equation,
            lengths,
            activation="sigmoid" if name == "gate" else None,
            bias_axes=bias_axes if self.use_bias else None,
            kernel_initializer=_copy(self.kernel_initializer),
            bias_initializer=_copy(self.bias_initializer),
            name=name,
            **{name: getattr(self, name) for name in names},
        )
        self.build_held(part, shape)
        setattr(self, f"_{name.replace('attention_', '')}_dense", part)

    @property
    def held(self):
        return [part for _, part in self.saved_parts()] if self.built else []

    def saved_parts(self):
        """Returns [(name of the attribute in Keras, projection)], which is where files have the weights."""
        names = [f"{name.replace('attention_', '')}_dense" for name in (*self._heads(), "attention_output")]
        prefixes = ["_" if name == "gate_dense" else self.saved_prefix for name in names]
        return [(p + name, getattr(self, f"_{name}")) for p, name in zip(prefixes, names, strict=True)]

    def _axes(self, rank):
        return attention_axes(self.name, self.attention_axes, rank)

    # ------------------------------------------------------------ calls

    def __call__(
        self,
        query,
        value=None,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ):
        """Applies the layer to tensors or arrays.

        Args:
            query: (batch, T, features); its other axes may be more than one, see `attention_axes`.
            value: (batch, S, features).
            key: (batch, S, features); the value where it is left out.
            query_mask, value_mask, key_mask: bool (batch, T) or (batch, S): which steps count. In a graph
                they come along with inputs that have masks.
            attention_mask: bool (batch, T, S), or with an axis for heads (batch, heads, T, S): which
                queries see which values.
            return_attention_scores: whether the weights (batch, heads, T, S) are a second output.
            training: True or False fixes the mode of this call; None follows fit and predict.
            use_causal_mask: whether a query sees no later value.
        """
        inputs = list(query) if isinstance(query, (list, tuple)) else [query]
        inputs += [one for one in (value, key) if one is not None]
        if len(inputs) not in (2, 3):
            raise type_error(f"{self.name} is called on query, value and, if need be, key.")
        masks = (query_mask, value_mask, key_mask, attention_mask)
        keywords = {name: mask for name, mask in zip(MASKS, masks, strict=True) if mask is not None}
        if return_attention_scores:
            keywords["return_attention_scores"] = True
        if use_causal_mask:
            keywords["use_causal_mask"] = True
        return super().__call__(*map(as_tensor, inputs), training=training, **keywords)

    def _call_symbolic(self, inputs, keywords, named, options):
        pairs = zip(MASKS[:3], inputs, strict=False)
        masks = {name: tensor.mask for name, tensor in pairs if tensor.mask is not None}
        return super()._call_symbolic(inputs, keywords, {**masks, **named}, options)

    def _automatic_masks(self, inputs, named):
        return {}  # Keras's files don't name masks that come along with the inputs

    def compute_mask(self, inputs, mask=None):
        """Returns the mask of the query."""
        return None if mask is None else mask[0]

    def _check_inputs(self, shapes):
        super()._check_inputs(shapes)
        ranks = {len(shape) for shape in shapes}
        if len(ranks) > 1 or min(ranks) < 2:
            raise value_error(
                f"{self.name} ({type(self).__name__}) needs query, value and key of shape (batch, steps,",
                f"features), got samples of {', '.join(map(pretty, shapes))}.",
            )

    def output_shape(
        self,
        query,
        value,
        key=None,
        *,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        axes = self._axes(len(query) + 1)
        axes.check(query, value, value if key is None else key)
        axes.check_masks(query_mask, value_mask, key_mask, use_causal_mask or self.sliding_window)
        result = (*query[:-1], *self._output_lengths(query[-1]))
        if not return_attention_scores:
            return result
        return result, axes.scores(query, value, self._heads()["query"][0])

    # ------------------------------------------------------------ the contract

    @property
    def draw(self):
        """What draws the weights to keep; None without dropout."""
        return self._draw if self.dropout else None

    def _draw(self, rng, batch, query, value, *_):
        axes = self._axes(len(query) + 1)
        shape = axes.scores(value, query, self._heads()["query"][0])  # as scores lie in memory: values first
        return rng.keep((batch, *shape), self.dropout)

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
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        axes = self._axes(query.ndim)
        three = axes.fold_all(query, value, value if key is None else key)
        masks = dict(zip(MASKS, (query_mask, value_mask, key_mask, attention_mask), strict=True))
        given = [name for name, mask in masks.items() if mask is not None]
        mask = axes.merged(ctx.xp, query.shape, value.shape, masks, use_causal_mask, self.sliding_window)
        # Keras computes in two ways; they differ in what a query gets that sees no value at all.
        plain = not self.dropout and not return_attention_scores and query.ndim == 3
        sees_some = not given and self.sliding_window is None
        random = ctx.training and self.dropout
        y, weights, cache = functions.multi_head_attention(
            *three,
            w,
            mask,
            empty=None if sees_some else "mean" if plain else "zero",
            keep=axes.fold_scores(ctx.noise).swapaxes(2, 3) if random else None,
            rate=self.dropout,
            room=ctx.buffer,
        )
        y = axes.unfold(y, query.shape)
        cache = (cache, axes, [x.shape for x in (query, value)], key, given)
        if not return_attention_scores:
            return y, cache
        return (y, axes.unfold_scores(weights, query.shape, value.shape)), cache

    def backward(self, ctx, w, dw, dy, cache):
        inner, axes, (query, value), key, given = cache
        dy, dweights = dy if isinstance(dy, tuple) else (dy, None)
        found = functions.multi_head_attention_backward(
            axes.fold(dy),
            inner,
            dweights=None if dweights is None else axes.fold_scores(dweights),
            need_dx=ctx.need_dx,
            dw=dw,
            room=ctx.buffer,
        )
        dquery, dvalue, dkey = found[:3]
        dxs = [axes.unfold(dquery, query), axes.unfold(dvalue, value)]
        if key is not None:
            dxs.append(axes.unfold(dkey, key.shape))
        return (*dxs, {}) if given else tuple(dxs)


def _copy(initializer):
    """Returns an initializer of its own for each projection: one object gives the same values each time."""
    found = initializers.get(initializer)
    return found.clone() if hasattr(found, "clone") else found
