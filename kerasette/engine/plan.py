"""A plan: the steps of a graph in order, who needs which gradient, and the rewrites that make it fast.

The plan knows the contract of operations (graph.Operation), never their classes: it decides by what
they declare. Values live in numbered slots. Making a plan takes time in proportion to nodes and edges.
"""

import math
from collections import Counter

from kerasette.backend import computed
from kerasette.engine import rewrites
from kerasette.engine.steps import Activate, Cast, Penalize, Step
from kerasette.engine.unfolding import unfold
from kerasette.functions.kernels import compiled

CACHE_BYTES = 1 << 23  # one core's share of the last-level cache: activations of a micro-batch should fit
SHORT_CALL = 1 << 14  # bytes: shorter results take less time than the call that makes them
LEAST_ROWS = 8  # a smaller micro-batch would only pay for calls
PIECE_ROWS = 64  # shorter matrix products fall behind the processor's peak
PIECE_WORK = 1 << 25  # multiplications on the way forward that are worth waking a thread for: about 0.3 ms
MOST_PIECES = 4  # unless the cache asks for more: each costs calls, and one more pass over the gradient
MOST_UNCOMPILED = 2  # where loops aren't compiled: threads in short calls wait for one another in Python
SMALL_WORK = 1 << 18  # multiplications below which BLAS stays in one thread by itself


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
        rewrites.leave_activations_to_losses(self, fused)
        rewrites.rectify_after_maxima(self)
        rewrites.add_biases_late(self)
        self._sample_work = sum(_work(step.operation, self.shapes[step.targets[0]]) for step in self.steps)
        rewrites.take_maxima_at_once(self)
        rewrites.stop_early(self)
        for index, step in enumerate(self.steps):
            step.index = index
        graded = [True] * len(self.outputs) if graded is None else graded
        asked = [slot for slot in self.inputs if input_gradients and self._has_gradient[slot]]
        self._mark_gradients([s for s, on in zip(self.outputs, graded, strict=True) if on], asked)
        self.layers = list(dict.fromkeys(step.layer for step in self.steps))
        self._by_steps = [step for step in self.steps if getattr(step.operation, "by_steps", False)]
        self._weights = sum(_weights(step.operation) for step in self.steps)
        made = [*self.inputs, *(slot for step in self.steps if not step.in_place for slot in step.targets)]
        maxima = [
            step.targets[0] for step in self.steps if step.operation.keeps_order or step.operation.halves
        ]
        kept = [*made, *maxima]  # a maximum of four notes in four bytes which one it was
        self._sample_bytes = 4 * sum(math.prod(n or 1 for n in self.shapes[slot]) for slot in kept)

    # ------------------------------------------------------------ from nodes to steps

    def _slot(self, tensor):
        return self.add_slot(tensor.shape[1:], tensor.dtype)

    def add_slot(self, shape, dtype="float"):
        """Returns the number of a new slot."""
        self.shapes.append(shape)
        self._dtypes.append(dtype)
        self._has_gradient.append(dtype.startswith("float"))
        return len(self.shapes) - 1

    def _inline(self, graph, inputs):
        """Appends the steps of `graph`, nested models opened up; returns the slots of outputs and masks."""
        slots = unfold(graph, inputs, self._expand)
        masks = [None if mask is None else slots[id(mask)] for mask in graph.masks]
        return [slots[id(tensor)] for tensor in graph.outputs], masks

    def _expand(self, node, sources, training):
        operation = node.operation
        count = len(node.positional)
        fitting = [getattr(operation, "input_dtype", computed)] * count + [computed] * len(node.names)
        sources = [self._fitting(operation, *both) for both in zip(sources, fitting, strict=True)]
        targets = [self._slot(tensor) for tensor in node.outputs]
        step = Step(operation, operation, sources, targets, training)
        step.names, step.options = node.names, node.options
        self.steps.append(step)
        if operation.output_activation is not None and operation.output_activation.name != "linear":
            step = Activate(operation.output_activation)
            targets = self._append(step, operation, targets, in_place=operation.output_activation.in_place)
        if operation.activity is not None:
            penalty = Penalize(operation.activity)
            targets = [self._append(penalty, operation, [one])[0] for one in targets]
        return targets

    def _fitting(self, operation, slot, wanted):
        """Returns the slot with the values of `slot` in the type that the operation computes in.

        Args:
            operation: for which they are.
            slot: where they are.
            wanted: function of their type that returns the one that the operation takes.
        """
        dtype, taken = self._dtypes[slot], wanted(self._dtypes[slot])
        if dtype in ("float", taken) or not taken.startswith("float"):
            return slot
        return self._append(Cast(), operation, [slot])[0]

    def _append(self, operation, layer, sources, in_place=False):
        targets = [self.add_slot(self.shapes[sources[0]])]
        self.steps.append(Step(operation, layer, sources, targets, in_place=in_place))
        return targets

    def readers(self):
        """Returns slot -> how many steps, masks and outputs read it."""
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
            penalizes = isinstance(step.operation, Penalize)
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

        It depends on shapes and kernels, so results don't depend on the number of workers. A batch is cut
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
        if by_work > MOST_UNCOMPILED and compiled("add_bias") is None:
            by_work = MOST_UNCOMPILED
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
