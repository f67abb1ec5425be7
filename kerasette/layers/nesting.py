"""Layers that hold other layers: parameters under keys of their own, calls, random numbers."""

from kerasette import registry
from kerasette.errors import type_error, value_error
from kerasette.graph import Context, alone
from kerasette.layers.base import Layer


class Nesting(Layer):
    """Base of layers that hold layers (`held`). Theirs are all the parameters that it has.

    In `w` and `dw` a parameter's key is the name of the layer that holds it, "/" and its key there.
    """

    def __init__(self, **base):
        super().__init__(**base)
        self._keys = {}  # layer held: [(key of a parameter there, key here)]
        self._noise_forms = {}  # shapes of a call: what each random layer held draws for one sample

    @property
    def held(self) -> list[Layer]:
        """The layers that this one holds, in the order of Keras's weights."""
        raise NotImplementedError

    def saved_parts(self):
        """Returns [(name of the attribute in Keras, layer held)], which is where files have the weights."""
        raise NotImplementedError

    # ------------------------------------------------------------ parameters

    @property
    def parameters(self):
        return [parameter for layer in self.held for parameter in layer.parameters]

    def keyed_parameters(self):
        return {f"{layer.name}/{key}": p for layer in self.held for key, p in keyed(layer).items()}

    @property
    def trainable_weights(self):
        return [p for layer in self.held for p in layer.trainable_weights] if self.trainable else []

    @property
    def non_trainable_weights(self):
        trained = set(self.trainable_weights)
        return [parameter for parameter in self.parameters if parameter not in trained]

    @property
    def trainable(self):
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        self._trainable = bool(value)
        for layer in self.held:
            layer.trainable = value

    def build_held(self, layer, *shapes) -> None:
        """Builds a layer that this one holds; the paths of its parameters begin with this one's name."""
        if layer.built:
            layer._check_inputs(shapes)
            return
        layer._ensure_built(shapes)
        for parameter in layer.parameters:
            parameter.layer_name = f"{self.name}/{parameter.layer_name}"

    def _made_together(self):
        inner = [one for layer in self.held if layer.graph is None for one in layer._made_together()]
        return [self, *inner]

    def part(self, layer, weights):
        """Returns those of `weights` (`w` or `dw`) that are `layer`'s, under its own keys."""
        keys = self._keys.get(layer)
        if keys is None:
            keys = self._keys[layer] = [(key, f"{layer.name}/{key}") for key in keyed(layer)]
        return {own: weights[key] for own, key in keys}

    # ------------------------------------------------------------ random numbers

    @property
    def draw(self):
        """What draws for the layers held; None where they need nothing."""
        return self._draw if any(draws(layer) for layer in self.held) else None

    def _draw_for(self, rng, key, calls):
        """Returns one array (N, ...) with what the layers draw.

        Args:
            rng: the generator.
            key: names the shapes of the call.
            calls: [(layer, rows, shapes of its inputs)]; rows is a multiple of those of the call.
        """
        rows = min(count for _, count, _ in calls)
        drawn = [
            None if not draws(layer) else layer.draw(rng, count, *shapes) for layer, count, shapes in calls
        ]
        self._noise_forms[key] = [None if a is None else (a.shape[1:], a.dtype) for a in drawn]
        flat = [_rows_of(rng.xp, a, count, rows) for a, (_, count, _) in zip(drawn, calls, strict=True)]
        flat = [array for array in flat if array is not None]
        return flat[0] if len(flat) == 1 else rng.xp.concatenate(flat, axis=1)

    def _noises(self, noise, key, counts):
        """Returns what each of the calls that `_draw_for` drew for gets; `counts` are their rows now."""
        if noise is None:
            return [None] * len(counts)
        found, start = [], 0
        for form, count in zip(self._noise_forms[key], counts, strict=True):
            if form is None:
                found.append(None)
                continue
            shape, dtype = form
            width = count // max(1, len(noise))
            for length in shape:
                width *= length
            found.append(noise[:, start : start + width].reshape(count, *shape).astype(dtype))
            start += width
        return found


def _rows_of(xp, array, count, rows):
    """Returns `array` (count, ...) as (rows, ...) with two axes; one that all samples share is repeated."""
    if array is None:
        return None
    if len(array) != count:
        array = xp.broadcast_to(array, (count, *array.shape[1:]))
    return array.reshape(rows, array.size // max(1, rows))


def keyed(layer) -> dict:
    """Returns {key: parameter} of a layer, or of a model, whose layers' names begin the keys."""
    if layer.graph is None:
        return layer.keyed_parameters()
    return {f"{one.name}/{key}": p for one in layer.layers for key, p in keyed(one).items()}


def draws(layer) -> bool:
    """Tells whether a layer draws random numbers in training."""
    return layer.draw is not None


def as_layer(owner: str, argument: str, value) -> Layer:
    """Returns `value`, or the layer that a configuration describes; raises InvalidType for anything else."""
    if isinstance(value, dict):
        value = registry.deserialize(value, "layer")
    if not isinstance(value, Layer):
        raise type_error(f"{owner}: {argument} must be a layer, got {value!r}.")
    return value


def refuse_activity(owner: str, layer) -> None:
    """Raises where a layer that is held has a penalty on its output, which nobody would add."""
    if layer.activity is not None:
        raise value_error(
            f"{owner}: activity_regularizer of the inner layer '{layer.name}' isn't provided.",
            "Give it to the outer layer, or put ActivityRegularization behind.",
        )


class InnerContext(Context):
    """The context of a layer inside another: buffers under names of its own.

    Args:
        outer: the context around it.
        label: tells it from the others inside.
        layer: the layer.
        noise: what it drew, or None.
        batch: samples of the whole batch; those of `outer` unless given.
        need_dx: whether the gradient of its inputs is wanted; as in `outer` unless given.
    """

    def __init__(self, outer, label, layer, noise=None, batch=None, need_dx=None):
        self.xp, self.training = outer.xp, outer.training
        self.trainable = outer.trainable and layer.trainable
        self.need_dx = outer.need_dx if need_dx is None else need_dx
        self.in_place, self.total = False, alone
        self.batch = outer.batch if batch is None else batch
        self.noise = noise
        self.buffer = _Labelled(outer.buffer, label)


class _Labelled:
    """The buffers of a context, under names that begin with a label."""

    __slots__ = ("_buffer", "_label", "dtype", "xp")

    def __init__(self, buffer, label):
        self._buffer, self._label = buffer, label
        self.dtype, self.xp = buffer.dtype, buffer.xp

    def __call__(self, name, shape, dtype=None):
        return self._buffer((self._label, name), shape, dtype)


def forward(layer, ctx, w, *xs, **named):
    """Returns the (activated) output of a layer inside another, and the cache for `backward`."""
    y, cache = layer.forward(ctx, w, *xs, **named)
    if layer.output_activation is None:
        return y, (cache, None)
    y, activated = layer.output_activation.forward(y)
    return y, (cache, activated)


def backward(layer, ctx, w, dw, dy, cache):
    """Returns what the layer's own backward does."""
    cache, activated = cache
    if layer.output_activation is not None:
        dy = layer.output_activation.backward(dy, activated)
    return layer.backward(ctx, w, dw, dy, cache)
