"""TimeDistributed: one layer for each step of a sequence."""

from kerasette.errors import value_error
from kerasette.graph import described
from kerasette.layers import nesting
from kerasette.layers.inner_graph import InnerGraph
from kerasette.layers.nesting import InnerContext, Nesting, as_layer, refuse_activity
from kerasette.registry import register
from kerasette.shapes import pretty


@register("layer")
class TimeDistributed(Nesting):
    """Applies a layer, or a model, to every step of a sequence, always with the same weights.

    The steps are computed together, as so many samples. Where samples depend on one another
    (BatchNormalization in training) they are computed step by step, as in Keras.

    Args:
        layer: any layer or model with one input and one output.

    Input: (batch, steps, ...). Output: (batch, steps, ...), as `layer` makes it of (batch, ...).

    >>> import numpy as np
    >>> from kerasette.layers import Dense
    >>> TimeDistributed(Dense(4))(np.ones((2, 3, 5))).shape
    (2, 3, 4)
    """

    supports_masking = True
    tensor_arguments = ("mask",)

    def __init__(self, layer, **base):
        super().__init__(**base)
        self.layer = as_layer(self.name, "layer", layer)
        refuse_activity(self.name, self.layer)
        if self.layer.keeps_state:
            raise value_error(f"{self.name}: the inner layer '{self.layer.name}' must not be stateful.")
        if not self.trainable:
            self.layer.trainable = False
        self._graph = None

    @property
    def _inner_layer(self):
        """The layer, or the model as one layer; a Sequential may have got its graph only now."""
        graph = self.layer.graph
        if graph is None:
            return self.layer
        if self._graph is None or self._graph.of is not graph:
            self._graph = InnerGraph(self.name, self.layer)
        return self._graph

    @property
    def held(self):
        return [self.layer]

    def saved_parts(self):
        return [("layer", self.layer)]

    # ------------------------------------------------------------ shapes

    def build(self, shape):
        self.build_held(self.layer, shape[1:])

    def _check_inputs(self, shapes):
        super()._check_inputs(shapes)
        if len(shapes[0]) < 2:
            raise value_error(
                f"{self.name} (TimeDistributed) needs inputs (batch, steps, ...), got {(None, *shapes[0])}."
            )

    def output_shape(self, shape, mask=None):
        if mask is not None and None not in (mask[0], shape[0]) and mask[0] != shape[0]:
            raise value_error(f"{self.name}: the mask has {mask[0]} steps, the input {shape[0]}.")
        takes = mask is not None and self._hands_on(len(mask) + 1, len(shape) + 1)
        inner = described(self._inner_layer, [shape[1:]], {"mask": mask[1:]} if takes else {})
        if inner and isinstance(inner[0], tuple):
            raise value_error(
                f"{self.name}: '{self.layer.name}' has several outputs, of {', '.join(map(pretty, inner))}.",
                "A layer with one output can be distributed over time.",
            )
        activation = self._inner_layer.output_activation
        return (shape[0], *(inner if activation is None else activation.output_shape(inner)))

    def input_dtype(self, dtype):
        return self._inner_layer.input_dtype(dtype)

    def output_dtype(self, *dtypes):
        return self._inner_layer.output_dtype(*dtypes)

    # ------------------------------------------------------------ the contract

    @property
    def couples_batch(self):
        """Whether the layer's samples depend on one another in training."""
        return self._inner_layer.couples_batch or self._inner_layer.gathers

    @property
    def by_steps(self):
        """Whether the layer itself goes through steps of its own."""
        return self._inner_layer.by_steps

    @property
    def seed(self):
        """The seed of the layer's random numbers."""
        return getattr(self.layer, "seed", None)

    @property
    def draw(self):
        """What draws for the layer; None where it needs nothing."""
        return self._draw if nesting.draws(self._inner_layer) else None

    def _draw(self, rng, batch, shape, *_):
        return self._draw_for(rng, shape, [(self._inner_layer, batch * shape[0], [shape[1:]])])

    @property
    def commit(self):
        return self._commit if self._inner_layer.commit is not None else None

    def _commit(self, w, caches):
        w = self.part(self.layer, w)
        for pieces in zip(*[cache[0] for cache in caches], strict=True):  # step by step, if they are apart
            self._inner_layer.commit(w, [one[0] for _, one in pieces])

    def _hands_on(self, mask_axes, axes):
        """Tells whether the layer gets a mask of so many axes: one of steps alone says nothing to most."""
        return "mask" in self._inner_layer.tensor_arguments and (mask_axes > 2 or axes == 3)

    def _pieces(self, ctx, shape):
        """Returns [(context, steps)]: all steps at once, or one by one."""
        n, steps = shape[:2]
        noise = ctx.noise if ctx.training else None
        (noise,) = self._noises(noise, shape[1:], [n * steps])
        if not (ctx.training and self.couples_batch):
            inner = InnerContext(ctx, "all", self._inner_layer, noise, batch=ctx.batch * steps)
            return [(inner, slice(None))]
        by_step = [None] * steps
        if noise is not None:
            by_step = noise.reshape(n, steps, *noise.shape[1:]).swapaxes(0, 1)
        return [
            (InnerContext(ctx, step, self._inner_layer, by_step[step]), slice(step, step + 1))
            for step in range(steps)
        ]

    def forward(self, ctx, w, x, mask=None):
        w = self.part(self.layer, w)
        takes = mask is not None and self._hands_on(mask.ndim, x.ndim)
        caches, ys = [], []
        for inner, place in self._pieces(ctx, x.shape):
            named = {"mask": _folded(mask[:, place])} if takes else {}
            part = x[:, place]
            y, cache = nesting.forward(self._inner_layer, inner, w, _folded(part), **named)
            ys.append(y.reshape(*part.shape[:2], *y.shape[1:]))
            caches.append((inner, cache))
        y = ys[0] if len(ys) == 1 else ctx.xp.concatenate(ys, axis=1)
        return y, (caches, mask is not None, takes, x.shape)

    def backward(self, ctx, w, dw, dy, cache):
        caches, named, takes, shape = cache
        w, dw = self.part(self.layer, w), self.part(self.layer, dw)
        dxs = []
        for number, (inner, one) in enumerate(caches):
            place = slice(None) if len(caches) == 1 else slice(number, number + 1)
            part = dw if number == 0 else {key: ctx.xp.empty_like(value) for key, value in dw.items()}
            dx = nesting.backward(self._inner_layer, inner, w, part, _folded(dy[:, place]), one)
            for key in part if number else ():
                dw[key] += part[key]
            dxs.append(dx[0] if takes else dx)
        dx = None
        if ctx.need_dx:
            dxs = [one.reshape(shape[0], -1, *shape[2:]) for one in dxs]
            dx = dxs[0] if len(dxs) == 1 else ctx.xp.concatenate(dxs, axis=1)
        return (dx, {}) if named else dx


def _folded(array):
    """Returns (N, T, ...) as (N T, ...)."""
    return array.reshape(-1, *array.shape[2:])
