"""MultiHeadAttention and GroupQueryAttention: attention between projections of the inputs."""

from kerasette.errors import positive_int, value_error
from kerasette.layers.projected_attention import ProjectedAttention
from kerasette.registry import auto_name, register


@register("layer")
class MultiHeadAttention(ProjectedAttention):
    """Attention with several heads (Vaswani et al. 2017): softmax(q k^T / sqrt(key_dim)) v for each of them.

    q, k and v are projections of query, key and value; what the heads give is projected once more.
    Called on (query, value) or (query, value, key), see `__call__`. As in Keras, the call takes the masks
    off its inputs: layers that use the same tensors afterwards (a residual connection) see all steps.

    Args:
        num_heads: how many heads.
        key_dim: width of a head's queries and keys.
        value_dim: width of a head's values; key_dim unless given.
        dropout: share of the weights that is dropped in training.
        use_bias: whether the projections have biases.
        output_shape: lengths of the output's last axes; those of the query's features unless given.
        attention_axes: the axes along which to attend, counted with the batch as axis 0; all but the
            batch and the features unless given.
        sliding_window: None, or how far a value may be from a query: less than this.
        flash_attention: a way of computing that isn't provided; None and False pass.
        kernel_initializer, bias_initializer: names or objects.
        kernel_regularizer, bias_regularizer: penalties, or None.
        activity_regularizer: not provided; only None passes.
        kernel_constraint, bias_constraint: applied after each update, or None.
        use_gate: whether the heads' values are multiplied by sigmoid(a projection of the query).
        seed: of this layer's random numbers; by default they follow the model's seed.

    >>> import numpy as np
    >>> MultiHeadAttention(num_heads=2, key_dim=3)(np.ones((1, 4, 5)), np.ones((1, 6, 5))).shape
    (1, 4, 5)
    """

    aliases = {"output_shape": "partial_output_shape"}

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        partial_output_shape=None,
        attention_axes=None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate: bool = False,
        seed: int | None = None,
        **base,
    ):
        super().__init__(**base)
        self.num_heads = positive_int(self.name, "num_heads", num_heads)
        self.key_dim = positive_int(self.name, "key_dim", key_dim)
        self.value_dim = None if value_dim is None else positive_int(self.name, "value_dim", value_dim)
        given = partial_output_shape
        if given is not None:
            given = [given] if isinstance(given, int) else given
            given = tuple(positive_int(self.name, "each length of output_shape", n) for n in given)
        self.partial_output_shape = given
        axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self.attention_axes = None if axes is None else tuple(axes)
        self._store(
            dropout,
            use_bias,
            sliding_window,
            flash_attention,
            use_gate,
            seed,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    output_shape = ProjectedAttention.output_shape  # the method; only the constructor's argument is an alias
    query_dense = property(lambda self: self._query_dense)
    key_dense = property(lambda self: self._key_dense)
    value_dense = property(lambda self: self._value_dense)
    output_dense = property(lambda self: self._output_dense)

    def _call_symbolic(self, inputs, keywords, named, options):
        result = super()._call_symbolic(inputs, keywords, named, options)
        for tensor in inputs:
            tensor.mask = None  # as Keras does when its models run: the same files give the same numbers
        return result

    def _heads(self):
        value = (self.num_heads, self.value_dim or self.key_dim)
        gate = {"gate": value} if self.use_gate else {}
        key = (self.num_heads, self.key_dim)
        return {"query": key, "key": key, **gate, "value": value}

    def _output_lengths(self, features):
        return self.partial_output_shape or (features,)


@register("layer", "GroupedQueryAttention")
class GroupQueryAttention(ProjectedAttention):
    """Attention whose keys and values have fewer heads than the queries (Ainslie et al. 2023).

    Neighbouring heads of the query share a head of keys and values. Called like `MultiHeadAttention`.

    Args:
        head_dim: width of a head.
        num_query_heads: how many heads the queries have.
        num_key_value_heads: how many heads keys and values have; it divides the former.
        dropout: share of the weights that is dropped in training.
        use_bias: whether the projections have biases.
        sliding_window: None, or how far a value may be from a query: less than this.
        flash_attention: a way of computing that isn't provided; None and False pass.
        kernel_initializer, bias_initializer: names or objects.
        kernel_regularizer, bias_regularizer: penalties, or None.
        activity_regularizer: not provided; only None passes.
        kernel_constraint, bias_constraint: applied after each update, or None.
        use_gate: whether the heads' values are multiplied by sigmoid(a projection of the query).
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    input_ranks = (2,)
    saved_class, saved_prefix = "GroupedQueryAttention", "_"  # what Keras's files call it and its projections

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate: bool = False,
        seed: int | None = None,
        *,
        name: str | None = None,
        **base,
    ):
        super().__init__(name=auto_name("grouped_query_attention") if name is None else name, **base)
        self.head_dim = positive_int(self.name, "head_dim", head_dim)
        self.num_query_heads = positive_int(self.name, "num_query_heads", num_query_heads)
        self.num_key_value_heads = positive_int(self.name, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise value_error(
                f"{self.name}: num_key_value_heads must divide num_query_heads, got {num_key_value_heads}",
                f"and {num_query_heads}.",
            )
        self._store(
            dropout,
            use_bias,
            sliding_window,
            flash_attention,
            use_gate,
            seed,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def _heads(self):
        query, shared = (self.num_query_heads, self.head_dim), (self.num_key_value_heads, self.head_dim)
        gate = {"gate": query} if self.use_gate else {}
        return {"query": query, "key": shared, **gate, "value": shared}

    def _output_lengths(self, features):
        return (features,)
