"""A plan: the steps of a graph in order, who needs which gradient, and the rewrites that make it fast.

The plan knows the contract of operations (graph.Operation), never their classes: it decides by what
they declare. Values live in numbered slots. Making a plan takes time in proportion to nodes and edges.
"""

import math
from collections import Counter

CACHE_BYTES = 1 << 23  # one core's share of the last-level cache: activations of a micro-batch should fit
SHORT_CALL = 1 << 14  # bytes: shorter results take less time than the call that makes them
LEAST_ROWS = 8  # a smaller micro-batch would only pay for calls
PIECE_ROWS = 64  # shorter matrix products fall behind the processor's peak
PIECE_WORK = 1 << 25  # multiplications on the way forward that are worth waking a thread for: about 0.3 ms
MOST_PIECES = 4  # unless the cache asks for more: each costs calls, and one more pass over the gradient
SMALL_WORK = 1 << 18  # multiplications below which BLAS stays in one thread by itself


class Step:
    """One operation on numbered slots.

    Attributes:
        operation: has forward and backward.
        layer: whose parameters it uses (the operation itself, or the layer whose activation it is).
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
        self.layer = layer
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


class _Inserted:
    """A step of the plan's own, with what the contract of operations asks for."""

    parameters = ()
    draw = commit = fuses_with = reads = None
    couples_batch = gathers = keeps_state = keeps_order = stops_early = False


class _Activate(_Inserted):
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


class _Cast(_Inserted):
    """The step that makes floats of whole numbers for a layer that computes with floats."""

    def forward(self, ctx, w, x):
        y = ctx.buffer("y", x.shape)
        y[...] = x
        return y, None


class _Penalize(_Inserted):
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
        masks: for each output, the slot that says which steps of it count, or None.
        shapes: shape of one sample for each slot.
    """

    def __init__(self, graph, *, trained=frozenset(), fused=(), graded=None, input_gradients=False):
        self.shapes = []
        self._dtypes = []
        self._has_gradient = []  # for each slot: whether it holds fractions
        self.steps = []
        self.trained = trained
        self.inputs = [self._slot(tensor) for tensor in graph.inputs]
        self.outputs, self.masks = self._inline(graph, self.inputs)
        self.fused = [False] * len(self.outputs)
        self._leave_activations_to_losses(fused)
        self._rectify_after_maxima()
        self._stop_early()
        for index, step in enumerate(self.steps):
            step.index = index
        graded = [True] * len(self.outputs) if graded is None else graded
        asked = [slot for slot in self.inputs if input_gradients and self._has_gradient[slot]]
        self._mark_gradients([s for s, on in zip(self.outputs, graded, strict=True) if on], asked)
        self.layers = list(dict.fromkeys(step.layer for step in self.steps))
        self._by_steps = [step for step in self.steps if getattr(step.operation, "by_steps", False)]
        self._sample_work = sum(_work(step.operation, self.shapes[step.targets[0]]) for step in self.steps)
        self._weights = sum(_weights(step.operation) for step in self.steps)
        made = [*self.inputs, *(slot for step in self.steps if not step.in_place for slot in step.targets)]
        self._sample_bytes = 4 * sum(math.prod(n or 1 for n in self.shapes[slot]) for slot in made)

    # ------------------------------------------------------------ from nodes to steps

    def _slot(self, tensor):
        return self._add_slot(tensor.shape[1:], tensor.dtype)

    def _add_slot(self, shape, dtype="float"):
        self.shapes.append(shape)
        self._dtypes.append(dtype)
        self._has_gradient.append(dtype.startswith("float"))
        return len(self.shapes) - 1

    def _inline(self, graph, inputs):
        """Appends the steps of `graph`, nested models opened up; returns the slots of outputs and masks."""
        slots = {id(tensor): slot for tensor, slot in zip(graph.inputs, inputs, strict=True)}
        for node in (*graph.nodes, *graph.mask_nodes):
            if node.outputs and id(node.outputs[0]) in slots:
                continue
            sources = [slots[id(tensor)] for tensor in node.inputs]
            targets = self._expand(node, sources)
            slots.update((id(tensor), slot) for tensor, slot in zip(node.outputs, targets, strict=True))
        masks = [None if mask is None else slots[id(mask)] for mask in graph.masks]
        return [slots[id(tensor)] for tensor in graph.outputs], masks

    def _expand(self, node, sources):
        operation = node.operation
        if operation.graph is not None:
            return self._inline(operation.graph, sources)[0]
        count = len(node.positional)
        given = [self._fitting(operation, slot) for slot in sources[:count]]
        sources = [*given, *sources[count:]]
        targets = [self._slot(tensor) for tensor in node.outputs]
        step = Step(operation, operation, sources, targets, node.keywords.get("training"))
        step.names, step.options = node.names, node.options
        self.steps.append(step)
        if operation.output_activation is not None and operation.output_activation.name != "linear":
            step = _Activate(operation.output_activation)
            targets = self._append(step, operation, targets, in_place=operation.output_activation.in_place)
        if operation.activity is not None:
            penalty = _Penalize(operation.activity)
            targets = [self._append(penalty, operation, [one])[0] for one in targets]
        return targets

    def _fitting(self, operation, slot):
        """Returns the slot with the values of `slot` in the type that the layer computes in."""
        wanted = getattr(operation, "input_dtype", None)
        if wanted is None or wanted(self._dtypes[slot]).startswith("float") == self._has_gradient[slot]:
            return slot
        return self._append(_Cast(), operation, [slot])[0]

    def _append(self, operation, layer, sources, in_place=False):
        targets = [self._add_slot(self.shapes[sources[0]])]
        self.steps.append(Step(operation, layer, sources, targets, in_place=in_place))
        return targets

    # ------------------------------------------------------------ rewrites

    def _leave_activations_to_losses(self, fused):
        """Lets a loss see what goes into the last activation, where it fuses that itself.

        Only where nothing else reads the activated value.
        """
        makers = {slot: step for step in self.steps for slot in step.targets}
        read = {slot for step in self.steps for slot in step.sources}
        counts, taken = Counter(self.outputs), set()
        for position, name in enumerate(fused):
            slot = self.outputs[position]
            last = makers.get(slot)
            if name is None or last is None or last.operation.fuses_with != name:
                continue
            if slot in read or counts[slot] > 1:
                continue
            taken.add(last)
            self.outputs[position] = last.sources[0]
            self.fused[position] = True
        if taken:
            self.steps = [step for step in self.steps if step not in taken]

    def _rectify_after_maxima(self):
        """Swaps each ReLU with the maximum over windows behind it, which leaves fewer numbers to rectify.

        max(relu(x)) is relu(max(x)), and so are the gradients: where the maximum is above 0 its place is
        the same, and where it isn't there is none. Only where nothing else reads the rectified value.
        """
        readers = self._readers()
        place = {step.sources[0]: k for k, step in enumerate(self.steps) if step.operation.keeps_order}
        for k, relu in enumerate(self.steps):
            slot = relu.targets[0]
            if relu.operation.fuses_with != "relu" or slot not in place or readers[slot] > 1:
                continue
            pool, at = self.steps[place[slot]], place[slot]
            between = self._add_slot(self.shapes[pool.targets[0]])
            pool.sources, relu.sources = relu.sources, (between,)
            pool.targets, relu.targets = (between,), pool.targets
            self.steps[k], self.steps[at] = pool, relu

    def _stop_early(self):
        """Lets steps leave out the end of their result where its only reader leaves it unread.

        Pooling leaves a last row unread where its windows don't fill the image, as after most convolutions
        without zeros around.
        """
        readers = self._readers()
        makers = {step.targets[0]: step for step in self.steps if step.operation.stops_early}
        for step in self.steps:
            slot = step.sources[0] if step.sources else None
            if step.operation.reads is None or slot not in makers or readers[slot] > 1:
                continue
            part = tuple(step.operation.reads(self.shapes[slot]))
            if part != tuple(self.shapes[slot]):
                makers[slot].options = {**makers[slot].options, "part": part}
                self.shapes[slot] = part

    def _readers(self):
        """Returns how many readers each slot has."""
        readers = Counter(slot for step in self.steps for slot in (*step.sources, *self.masks))
        readers.update(self.outputs)
        return readers

    def _mark_gradients(self, graded, asked):
        """Finds out which steps and slots the way back has to visit."""
        wanted = [False] * len(self.shapes)
        for slot in asked:
            wanted[slot] = True
        for step in self.steps:
            passes = any(self._has_gradient[slot] for slot in step.targets)
            step.updates = passes and any(p in self.trained for p in step.operation.parameters)
            step.needs_dx = tuple(passes and wanted[slot] for slot in step.sources)
            for slot in step.targets:
                wanted[slot] = self._has_gradient[slot] and (step.updates or any(step.needs_dx))
        leads = [False] * len(self.shapes)
        for slot in graded:
            leads[slot] = True
        for step in reversed(self.steps):
            penalizes = isinstance(step.operation, _Penalize)
            if not penalizes and not any(leads[slot] for slot in step.targets):
                step.updates, step.needs_dx = False, (False,) * len(step.sources)
            if not any(self._has_gradient[slot] for slot in step.targets):
                continue
            for slot in step.sources:
                leads[slot] = leads[slot] or penalizes or any(leads[target] for target in step.targets)

    # ------------------------------------------------------------ the cut

    def keeps_whole(self, training: bool) -> bool:
        """Tells whether a batch must stay in one piece: samples look at one another, or a random layer
        draws for lengths that only the batch itself shows."""
        if any(slot is not None for slot in self.masks):
            return True  # what a step counts depends on how many steps of the whole batch do
        for step in self.steps:
            mode = training if step.training is None else step.training
            if step.operation.keeps_state:
                return True
            if mode and step.operation.couples_batch:
                return True
            if mode and step.operation.draw is not None and any(None in self.shapes[s] for s in step.sources):
                return True
        return False

    def gathers(self, training: bool) -> bool:
        """Tells whether the parts of a batch have to meet on their way."""
        return any(
            step.operation.gathers and (training if step.training is None else step.training)
            for step in self.steps
        )

    def pieces(self, rows: int, parameter_bytes: int) -> int:
        """Returns into how many micro-batches a batch of `rows` is cut.

        It depends on shapes alone, so results don't depend on the number of workers. A batch is cut
        where its activations outgrow a cache (but then each micro-batch has to carry more of them than
        there are parameters, since it costs one more pass over the gradient), and where its matrix
        products are long enough to give several workers a part. Where the array calls are short, as in a
        deep graph of narrow layers, more of them would cost more than any cache gains. Long calls gain
        twice: threads that come back to Python often wait for one another there, those in loops over time
        steps, if these aren't compiled, all the time. The number is a power of two, so that two or four
        workers have equal shares.
        """
        if rows * self._sample_bytes < SHORT_CALL * len(self.steps):
            return 1
        budget = max(CACHE_BYTES, parameter_bytes)
        by_cache = -(-rows // max(LEAST_ROWS, budget // max(1, self._sample_bytes)))
        work = rows * self._sample_work
        by_work = min(
            MOST_PIECES, work // (PIECE_ROWS * self._weights or 1), work * self._passes // PIECE_WORK
        )
        if self._by_steps:
            by_cache, by_work = 1, by_work if by_work > 1 and self._runs_compiled() else 1
        return min(rows, 1 << (max(1, by_cache, by_work) - 1).bit_length())

    @property
    def _passes(self):
        """How often weights are used for a sample: at each time step, whose rest costs as much again."""
        lengths = [self.shapes[step.sources[0]][0] or 1 for step in self._by_steps]
        return 2 * max(lengths) if lengths else 1

    def _runs_compiled(self):
        return all(step.operation.runs_compiled for step in self._by_steps)

    def is_small(self, rows: int) -> bool:
        """Tells whether every product of a batch of `rows` is too short for the threads of BLAS anyway."""
        return rows * self._sample_work < SMALL_WORK


def _weights(operation):
    """Returns how many numbers the matrices of an operation hold."""
    return sum(parameter.size for parameter in operation.parameters if parameter.ndim > 1)


def _work(operation, shape):
    """Returns the multiplications for one sample: each weight of a matrix meets each position once."""
    return _weights(operation) * math.prod(length or 1 for length in shape[:-1])
