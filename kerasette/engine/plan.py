"""A plan: the steps of a graph in order, who needs which gradient, and the rewrites that make it fast.

The plan knows the contract of operations (graph.Operation), never their classes: it decides by what
they declare. Values live in numbered slots. Making a plan takes time in proportion to nodes and edges.
"""

import math

CACHE_BYTES = 1 << 20  # what one core's second-level cache holds: activations of a micro-batch should fit
SHORT_CALL = 1 << 14  # bytes: shorter results take less time than the call that makes them
LEAST_ROWS = 8  # a smaller micro-batch would only pay for calls
PIECE_ROWS = 64  # shorter matrix products fall behind the processor's peak
PIECE_WORK = 1 << 25  # multiplications on the way forward that are worth waking a thread for: about 0.6 ms
MOST_PIECES = 8  # each piece costs one more pass over the gradient
SMALL_WORK = 1 << 18  # multiplications below which BLAS stays in one thread by itself


class Step:
    """One operation on numbered slots.

    Attributes:
        operation: has forward and backward.
        layer: whose parameters it uses (the operation itself, or the layer whose activation it is).
        sources, targets: slots that it reads and writes.
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
        "needs_dx",
        "operation",
        "sources",
        "targets",
        "training",
        "updates",
    )

    def __init__(self, operation, layer, sources, targets, training=None, in_place=False):
        self.operation = operation
        self.layer = layer
        self.sources = tuple(sources)
        self.targets = tuple(targets)
        self.training = training
        self.in_place = in_place
        self.needs_dx = ()
        self.updates = False
        self.index = 0

    @property
    def runs_backward(self) -> bool:
        """Whether the way back passes here."""
        return self.updates or any(self.needs_dx)


class _Activate:
    """The step that applies a layer's own activation to what the layer made."""

    parameters, couples_batch, draw, commit = (), False, None, None

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


class _Penalize:
    """The step that adds a penalty on a layer's output (sum over the batch, divided by its size)."""

    parameters, couples_batch, draw, commit, fuses_with = (), False, None, None, None

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


class Plan:
    """The steps of a graph.

    Args:
        graph: a graph.Graph.
        trained: the set of parameters that gradients are wanted for; empty for inference.
        fused: for each output, the name of the activation that its loss takes over ("softmax"), or None.
        graded: for each output, whether a loss hangs on it; all of them unless given.
        input_gradients: whether the gradients with respect to the model's inputs of floats are wanted.

    Attributes:
        steps: list of Step.
        inputs, outputs: slots of the model's inputs and outputs (before a fused activation).
        fused: for each output, whether its last activation was left to the loss.
        shapes: shape of one sample for each slot.
    """

    def __init__(self, graph, *, trained=frozenset(), fused=(), graded=None, input_gradients=False):
        self.shapes = []
        self.steps = []
        self.trained = trained
        self.inputs = [self._slot(tensor.shape[1:]) for tensor in graph.inputs]
        self.outputs = self._inline(graph, self.inputs)
        self.fused = [False] * len(self.outputs)
        for position, name in enumerate(fused):
            self._leave_activation_to_loss(position, name)
        for index, step in enumerate(self.steps):
            step.index = index
        graded = [True] * len(self.outputs) if graded is None else graded
        floats = [tensor.dtype.startswith("float") for tensor in graph.inputs]
        asked = [s for s, on in zip(self.inputs, floats, strict=True) if on and input_gradients]
        self._mark_gradients([s for s, on in zip(self.outputs, graded, strict=True) if on], asked)
        self.layers = list(dict.fromkeys(step.layer for step in self.steps))
        self._sample_work = sum(_work(step.operation, self.shapes[step.targets[0]]) for step in self.steps)
        self._sample_bytes = 4 * sum(math.prod(n or 1 for n in shape) for shape in self.shapes)

    # ------------------------------------------------------------ from nodes to steps

    def _slot(self, shape):
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def _inline(self, graph, inputs):
        """Appends the steps of `graph`, nested models opened up; returns the slots of its outputs."""
        slots = {id(tensor): slot for tensor, slot in zip(graph.inputs, inputs, strict=True)}
        for node in graph.nodes:
            if node.outputs and id(node.outputs[0]) in slots:
                continue
            sources = [slots[id(tensor)] for tensor in node.inputs]
            targets = self._expand(node, sources)
            slots.update((id(tensor), slot) for tensor, slot in zip(node.outputs, targets, strict=True))
        return [slots[id(tensor)] for tensor in graph.outputs]

    def _expand(self, node, sources):
        operation = node.operation
        if operation.graph is not None:
            return self._inline(operation.graph, sources)
        training = node.keywords.get("training")
        targets = [self._slot(tensor.shape[1:]) for tensor in node.outputs]
        self.steps.append(Step(operation, operation, sources, targets, training))
        if operation.output_activation is not None and operation.output_activation.name != "linear":
            step = _Activate(operation.output_activation)
            targets = self._append(step, operation, targets, in_place=operation.output_activation.in_place)
        if operation.activity is not None:
            targets = self._append(_Penalize(operation.activity), operation, targets)
        return targets

    def _append(self, operation, layer, sources, in_place=False):
        targets = [self._slot(self.shapes[sources[0]])]
        self.steps.append(Step(operation, layer, sources, targets, in_place=in_place))
        return targets

    # ------------------------------------------------------------ rewrites

    def _leave_activation_to_loss(self, position, name):
        """Lets the loss of one output see what goes into the last activation, where it fuses that itself.

        Only where nothing else reads the activated value.
        """
        slot = self.outputs[position]
        if name is None or self.outputs.count(slot) > 1:
            return
        last = next((step for step in reversed(self.steps) if slot in step.targets), None)
        if last is None or last.operation.fuses_with != name:
            return
        if any(slot in step.sources for step in self.steps):
            return
        self.steps.remove(last)
        self.outputs[position] = last.sources[0]
        self.fused[position] = True

    def _mark_gradients(self, graded, asked):
        """Finds out which steps and slots the way back has to visit."""
        wanted = [False] * len(self.shapes)
        for slot in asked:
            wanted[slot] = True
        for step in self.steps:
            step.updates = any(parameter in self.trained for parameter in step.operation.parameters)
            step.needs_dx = tuple(wanted[slot] for slot in step.sources)
            for slot in step.targets:
                wanted[slot] = step.updates or any(step.needs_dx)
        leads = [False] * len(self.shapes)
        for slot in graded:
            leads[slot] = True
        for step in reversed(self.steps):
            penalizes = isinstance(step.operation, _Penalize)
            if not penalizes and not any(leads[slot] for slot in step.targets):
                step.updates, step.needs_dx = False, (False,) * len(step.sources)
            for slot in step.sources:
                leads[slot] = leads[slot] or penalizes or any(leads[target] for target in step.targets)

    # ------------------------------------------------------------ the cut

    def keeps_whole(self, training: bool) -> bool:
        """Tells whether a batch must stay in one piece: samples look at one another, or a random layer
        draws for lengths that only the batch itself shows."""
        for step in self.steps:
            mode = training if step.training is None else step.training
            if mode and step.operation.couples_batch:
                return True
            if mode and step.operation.draw is not None and any(None in self.shapes[s] for s in step.sources):
                return True
        return False

    def micro_batch(self, rows: int, parameter_bytes: int) -> int:
        """Returns how many rows one micro-batch may have when the batch has `rows`.

        It depends on shapes alone, so results don't depend on the number of workers. A batch is cut
        where its activations outgrow a cache (but then each micro-batch has to carry more of them than
        there are parameters, since it costs one more pass over the gradient), and where its matrix
        products are long enough to give several workers a part. Where the array calls are short, as in a
        deep graph of narrow layers, more of them would cost more than any cache gains.
        """
        if rows * self._sample_bytes < SHORT_CALL * len(self.steps):
            return rows
        budget = max(CACHE_BYTES, parameter_bytes)
        by_cache = max(LEAST_ROWS, budget // max(1, self._sample_bytes))
        pieces = min(MOST_PIECES, rows // PIECE_ROWS, rows * self._sample_work // PIECE_WORK)
        return min(by_cache, -(-rows // max(1, pieces)))

    def is_small(self, rows: int) -> bool:
        """Tells whether every product of a batch of `rows` is too short for the threads of BLAS anyway."""
        return rows * self._sample_work < SMALL_WORK


def _work(operation, shape):
    """Returns the multiplications for one sample: each weight of a matrix meets each position once."""
    weights = sum(parameter.size for parameter in operation.parameters if parameter.ndim > 1)
    return weights * math.prod(length or 1 for length in shape[:-1])
