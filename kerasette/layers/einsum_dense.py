"""EinsumDense: a product of the input and a kernel along whatever axes an equation names."""

from kerasette import activations, functions, initializers
from kerasette.errors import positive_int, type_error, value_error
from kerasette.functions.einsum import spelled_out
from kerasette.layers.base import Layer
from kerasette.registry import register
from kerasette.shapes import pretty


@register("layer")
class EinsumDense(Layer):
    """Computes y = activation(einsum(equation, x, kernel) + bias).

    Args:
        equation: letters name the axes of input, kernel and output, the batch first: "abc,cd->abd" is a
            Dense on sequences. "..." may stand for leading (or trailing) axes of input and output.
        output_shape: the output's shape without the batch and without the axes behind "..."; None for
            lengths that are those of the input.
        activation: name or object, None for linear.
        bias_axes: letters of the output's axes along which the bias differs; None for no bias.
        kernel_initializer, bias_initializer: names or objects.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties, or None.
        kernel_constraint, bias_constraint: applied after each update, or None.

    >>> import numpy as np
    >>> EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")(np.ones((2, 3, 4))).shape
    (2, 3, 5)
    """

    aliases = {"output_shape": "partial_output_shape"}

    def __init__(
        self,
        equation: str,
        partial_output_shape,
        activation=None,
        bias_axes: str | None = None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **base,
    ):
        super().__init__(**base)
        if not isinstance(equation, str):
            raise type_error(f"{self.name}: equation must be a text like 'ab,bc->ac', got {equation!r}.")
        if bias_axes is not None and not (isinstance(bias_axes, str) and bias_axes):
            raise type_error(f"{self.name}: bias_axes are letters of the output, or None, got {bias_axes!r}.")
        given = partial_output_shape
        given = [given] if isinstance(given, int) else given
        self.equation = equation
        self.partial_output_shape = tuple(
            n if n is None else positive_int(self.name, "each length of output_shape", n) for n in given
        )
        self.activation = activation
        self.output_activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    def _lengths(self, shape):
        """Returns (letters of x, of the kernel, of y, {letter: length}); None is a length that is open."""
        x, kernel, y = spelled_out(self.equation, len(shape) + 1)
        lengths = dict(zip(x, (None, *shape), strict=True))
        hidden = len(x) - len(self.equation.replace(" ", "").partition(",")[0].replace("...", ""))
        for letter in (*y, *kernel):
            if (letter in x) + (letter in kernel) + (letter in y) < 2:
                raise self._misfit(shape, f"it names '{letter}' in one place only")
        if x[0] != y[0]:
            raise self._misfit(shape, "input and output must both begin with the batch")
        leading = self.equation.lstrip().startswith("...")
        begin = max(1, hidden) if leading else 1
        own = y[begin : len(y) - (0 if leading else hidden)]
        if len(own) != len(self.partial_output_shape):
            raise self._misfit(
                shape, f"output_shape needs {len(own)} lengths, has {len(self.partial_output_shape)}"
            )
        for letter, length in zip(own, self.partial_output_shape, strict=True):
            known = lengths.get(letter)
            if None not in (known, length) and known != length:
                raise self._misfit(shape, f"'{letter}' is {known} in the input, {length} in the output")
            lengths[letter] = known if length is None else length
        return x, kernel, y, lengths

    def _misfit(self, shape, why):
        return value_error(
            f"{self.name} (EinsumDense) can't apply '{self.equation}' to inputs of shape "
            f"{pretty((None, *shape))}: {why}."
        )

    def _known(self, shape, letters, lengths):
        """Returns the lengths of the axes of a parameter; raises where one is open."""
        for letter in letters:
            if lengths.get(letter) is None:
                raise self._misfit(shape, f"the length of '{letter}' must be known")
        return tuple(lengths[letter] for letter in letters)

    def build(self, shape):
        _, kernel, y, lengths = self._lengths(shape)
        axes = [[k for k, letter in enumerate(kernel) if (letter in y) == new] for new in (False, True)]
        self.add_param(
            "kernel",
            self._known(shape, kernel, lengths),
            _along(self.kernel_initializer, *axes),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.bias_axes is not None:
            self.add_param(
                "bias",
                self._bias_shape(shape, y, lengths),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _bias_shape(self, shape, y, lengths):
        """Returns the lengths of the axes in `bias_axes`, and 1 for those between and behind them."""
        for letter in self.bias_axes:
            if letter not in y:
                raise self._misfit(shape, f"'{letter}' of bias_axes is no axis of the output")
        self._known(shape, self.bias_axes, lengths)
        first = min(map(y.index, self.bias_axes))
        return tuple(lengths[letter] if letter in self.bias_axes else 1 for letter in y[first:])

    def output_shape(self, shape):
        _, kernel, y, lengths = self._lengths(shape)
        if self.built and self._known(shape, kernel, lengths) != self.kernel.shape:
            raise self._misfit(shape, f"the kernel has the shape {self.kernel.shape}")
        return tuple(lengths[letter] for letter in y[1:])

    def forward(self, ctx, w, x):
        out = ctx.buffer("y", (len(x), *self.output_shape(x.shape[1:])))
        return functions.einsum(x, w["kernel"], w.get("bias"), equation=self.equation, out=out)

    def backward(self, ctx, w, dw, dy, cache):
        dx = ctx.buffer("dx", cache[0].shape) if ctx.need_dx else None
        return functions.einsum_backward(
            dy, cache, need_dx=ctx.need_dx, dx=dx, dkernel=dw["kernel"], dbias=dw.get("bias")
        )[0]


def _along(initializer, input_axes, output_axes):
    """Returns an initializer that counts inputs and outputs along these axes, where it counts any."""
    initializer = initializers.get("glorot_uniform" if initializer is None else initializer)
    if not isinstance(initializer, initializers.VarianceScaling) or initializer.input_axes is not None:
        return initializer
    axes = {"input_axes": input_axes, "output_axes": output_axes}
    return type(initializer).from_config({**initializer.get_config(), **axes})
