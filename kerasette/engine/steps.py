"""The steps of a plan, and those operations that no layer brings: activation, cast, penalty, bias."""

from kerasette.functions.core import add_bias, sum_rows
from kerasette.functions.rectifiers import bias_relu, bias_relu_backward


class Step:
    """One operation on numbered slots.

    Attributes:
        operation: has forward and backward.
        layer: whose parameters it uses (the operation itself, or the layer whose activation it is).
        maker: what a node called, which the step is a part of: messages name that.
        sources, targets: slots that it reads and writes.
        names: names of the last sources, those that the call gave by name.
        options: the call's other keywords.
        training: True or False where the call fixed the mode, else None.
        in_place: whether the result may overwrite the input.
        needs_dx: for each source, whether its gradient is wanted.
        updates: whether some parameter of it is trained.
        index: position in the plan; with the model's seed and the step it names the random stream.
    """

    __slots__ = (
        "in_place",
        "index",
        "layer",
        "maker",
        "names",
        "needs_dx",
        "operation",
        "options",
        "sources",
        "targets",
        "training",
        "updates",
    )

    def __init__(self, operation, layer, sources, targets, training=None, in_place=False):
        self.operation = operation
        self.layer = self.maker = layer
        self.sources = tuple(sources)
        self.targets = tuple(targets)
        self.training = training
        self.in_place = in_place
        self.names, self.options = (), {}
        self.needs_dx = ()
        self.updates = False
        self.index = 0

    @property
    def runs_backward(self) -> bool:
        """Whether the way back passes here."""
        return self.updates or any(self.needs_dx)


class Inserted:
    """A step of the plan's own, with what the contract of operations asks for."""

    parameters = ()
    draw = commit = fuses_with = data_format = reads = output_bias = output_activation = None
    couples_batch = gathers = halves = joins_maxima = keeps_order = keeps_state = stops_early = False


class Activate(Inserted):
    """The step that applies a layer's own activation to what the layer made."""

    def __init__(self, activation):
        self.activation = activation
        self.fuses_with = activation.kind_name

        self.keeps_shape = activation.output_shape((2,)) == (2,)

    def forward(self, ctx, w, x):
        out = x if ctx.in_place else ctx.buffer("y", self.activation.output_shape(x.shape))
        return self.activation.forward(x, out=out)

    def backward(self, ctx, w, dw, dy, cache):
        dx = ctx.buffer("dx", dy.shape) if self.keeps_shape else None
        return self.activation.backward(dy, cache, dx=dx)


class Cast(Inserted):
    """The step that makes floats of the model's own type: of whole numbers, or of floats of another size."""

    def forward(self, ctx, w, x):
        y = ctx.buffer("y", x.shape)
        y[...] = x
        return y, None

    def backward(self, ctx, w, dw, dy, cache):
        return dy


class Penalize(Inserted):
    """The step that adds a penalty on a layer's output (sum over the batch, divided by its size)."""

    def __init__(self, regularizer):
        self.regularizer = regularizer

    def forward(self, ctx, w, x):
        return x, x

    def penalty(self, x, batch):
        """Returns the penalty for the samples `x` of a batch of `batch`."""
        return self.regularizer(x) / batch

    def backward(self, ctx, w, dw, dy, cache):
        dx = self.regularizer.gradient(cache, out=ctx.buffer("dx", cache.shape))
        dx /= ctx.batch
        dx += dy
        return dx


class Unbiased:
    """An operation without the bias that it would add last; everything else is its own."""

    def __init__(self, operation):
        self._operation = operation
        self._keyed = {k: p for k, p in operation.keyed_parameters().items() if k != operation.output_bias}
        self.parameters = tuple(self._keyed.values())

    def __getattr__(self, name):
        return getattr(self._operation, name)

    def keyed_parameters(self):
        """Returns {key in `w`: parameter}, the bias left out: so forward adds none."""
        return self._keyed


class Halved:
    """An operation that gives only the maxima of 2 x 2 of its results; everything else is its own."""

    stops_early = joins_maxima = False
    halves = True

    def __init__(self, operation):
        self._operation = operation
        self.forward, self.backward = operation.forward_maxima, operation.backward_maxima

    def __getattr__(self, name):
        return getattr(self._operation, name)


class Bias(Inserted):
    """The step that adds the bias of an operation in place.

    Args:
        operation: whose bias it is.
        rectifies: whether what is below 0 then becomes 0.
    """

    def __init__(self, operation, rectifies: bool):
        self.name, self.trainable = operation.name, operation.trainable
        self.parameters = (operation.keyed_parameters()[operation.output_bias],)
        self.rectifies = rectifies
        self.fuses_with = "relu" if rectifies else None

    def keyed_parameters(self):
        """Returns {key in `w`: parameter}."""
        return {"bias": self.parameters[0]}

    def forward(self, ctx, w, x):
        y = bias_relu(x, w["bias"]) if self.rectifies else add_bias(x, w["bias"])
        return y, y

    def backward(self, ctx, w, dw, dy, cache):
        if self.rectifies:
            return bias_relu_backward(dy, cache, dx=ctx.buffer("dx", dy.shape), dbias=dw["bias"])[0]
        sum_rows(dy, dw["bias"])
        return dy
