"""Embedding and Masking: the layers with which sequences begin."""

import math
import warnings

from kerasette import functions, ops
from kerasette.errors import one_of, positive_int, type_error
from kerasette.layers.base import Layer
from kerasette.registry import register


@register("layer")
class Embedding(Layer):
    """Turns whole numbers (tokens, categories) into vectors: the rows of a table that is learned.

    Args:
        input_dim: how many rows the table has; numbers go from 0 to input_dim - 1.
        output_dim: length of a vector.
        embeddings_initializer: name or object.
        embeddings_regularizer: penalty, or None.
        embeddings_constraint: applied after each update, or None.
        mask_zero: whether the number 0 is padding: the layers behind then leave those steps out.
        weights: the table to begin with, (input_dim, output_dim), or a list with it alone.
        input_length: of Keras 2; of no effect, and a warning says so.

    Input: (batch, ...) whole numbers. Output: (batch, ..., output_dim).

    A row that a batch uses several times gets the sum of its gradients. Keras on TensorFlow has Adam and
    RMSprop add their squares one by one instead, so such rows move differently there.

    Raises:
        InvalidValue: in a call with a number that has no row, or that isn't whole.

    >>> import numpy as np
    >>> Embedding(3, 2, weights=np.array([[0, 0], [1, 2], [3, 4]]))(np.array([[2, 1]])).tolist()
    [[[3.0, 4.0], [1.0, 2.0]]]
    """

    config_hidden = (*Layer.config_hidden, "weights", "input_length")

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero: bool = False,
        weights=None,
        *,
        input_length: int | None = None,
        **base,
    ):
        super().__init__(**base)
        self.input_dim = positive_int(self.name, "input_dim", input_dim)
        self.output_dim = positive_int(self.name, "output_dim", output_dim)
        self.embeddings_initializer = embeddings_initializer
        self.embeddings_regularizer = embeddings_regularizer
        self.embeddings_constraint = embeddings_constraint
        one_of(self.name, "mask_zero", mask_zero, (True, False))
        self.mask_zero = mask_zero
        self.supports_masking = bool(mask_zero)
        if input_length is not None:
            warnings.warn(
                f"{self.name}: input_length has no effect; leave it out, or write Input({input_length}).",
                stacklevel=4,
            )
        if weights is not None:
            self.build()
            self.built = True
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, *_):
        self.add_param(
            "embeddings",
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def input_dtype(self, dtype):
        return "int32" if dtype == "bool" else dtype

    @property
    def input_limit(self):
        """How many numbers there are that have a row: 0 to input_limit - 1."""
        return self.input_dim

    def output_shape(self, shape):
        return (*shape, self.output_dim)

    def compute_mask(self, inputs, mask=None):
        """Returns where the inputs aren't 0, or None without `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def forward(self, ctx, w, x):
        numbers = functions.row_numbers(x, self.input_dim, f"{self.name} (Embedding)")
        return functions.embedding(numbers, w["embeddings"])

    def backward(self, ctx, w, dw, dy, cache):
        functions.embedding_backward(dy, cache, dtable=dw["embeddings"])


@register("layer")
class Masking(Layer):
    """Leaves out steps whose features all equal a value: they become 0, and the layers behind skip them.

    Args:
        mask_value: the number that fills a step that doesn't count.

    Input and output: (batch, steps, features).
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **base):
        super().__init__(**base)
        plain = isinstance(mask_value, (int, float)) and not isinstance(mask_value, bool)
        if not plain or not math.isfinite(mask_value):
            raise type_error(f"{self.name}: mask_value must be a finite number, got {mask_value!r}.")
        self.mask_value = mask_value

    def compute_mask(self, inputs, mask=None):
        """Returns which steps have a feature that differs from `mask_value`."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def forward(self, ctx, w, x):
        return functions.masking(x, self.mask_value, out=ctx.buffer("y", x.shape))

    def backward(self, ctx, w, dw, dy, counts):
        return functions.masking_backward(dy, counts, dx=ctx.buffer("dx", dy.shape))
