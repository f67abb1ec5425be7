"""What it would cost to run a model, told from its shapes: for samples that a file brings with it."""

from math import prod

from kerasette.graph import Graph

VALUES = 1 << 24  # of all results together
WINDOWS = 40_000_000  # values in the windows of one image
PRODUCTS = 1 << 31
A_STEP = 1 << 15  # products that take as long as one step of a recurrence
QUADRATIC = (
    "Attention",
    "AdditiveAttention",
    "MultiHeadAttention",
    "GroupQueryAttention",
    "GroupedQueryAttention",
)


def is_cheap(model, shapes: list) -> bool:
    """Tells whether a forward pass takes little memory and time; inner models are looked into.

    Args:
        model: a built model.
        shapes: of the arrays that it would get, rows first.
    """
    graphs = _unfolded(model.graph)
    if graphs is None:
        return False
    lengths = [length for shape in shapes for length in shape[1:]]
    for graph in graphs:
        for node in graph.nodes:
            lengths += [length for tensor in node.outputs for length in tensor.shape[1:-1] if length]
    cost = _Cost(shapes[0][0], max(lengths, default=1))
    for graph in graphs:
        for node in graph.nodes:
            cost.add(node)
            if not cost.is_small():
                return False
    return True


def _unfolded(graph: Graph) -> list[Graph] | None:
    """Returns a graph and those of the models called in it, each as often as it is called; None for too many.

    A model within a wrapper (TimeDistributed ...) is called in ways that shapes don't tell.
    """
    found, stack = [], [graph]
    while stack:
        found.append(stack.pop())
        for node in found[-1].nodes:
            inner = getattr(node.operation, "layer", None)
            if getattr(inner, "graph", None) is not None or len(found) > 1000:
                return None
            if node.operation.graph is not None:
                stack.append(node.operation.graph)
    return found


class _Cost:
    """Sums over nodes; lengths that are open count as the longest one that is known."""

    def __init__(self, rows, longest):
        self._rows, self._longest = rows, longest
        self._values = self._windows = self._products = 0

    def is_small(self):
        return self._values <= VALUES and self._windows <= WINDOWS and self._products <= PRODUCTS

    def add(self, node):
        """Adds what one call takes."""
        operation = node.operation
        outputs = [self._lengths(tensor) for tensor in node.outputs]
        inputs = [self._lengths(tensor) for tensor in node.inputs]
        self._values += sum(self._rows * prod(lengths) for lengths in outputs)
        places = max((prod(lengths[:-1]) for lengths in (*outputs, *inputs)), default=1)
        for parameter in operation.parameters if operation.graph is None else ():
            self._products += self._rows * places * parameter.size
            if parameter.ndim > 2:
                self._windows = max(self._windows, places * parameter.size // parameter.shape[-1])
        if type(operation).__name__ in QUADRATIC:
            heads = getattr(operation, "num_heads", None) or getattr(operation, "num_query_heads", None)
            self._values += self._rows * places**2 * (heads or max(lengths[-1] for lengths in inputs))
        if hasattr(operation, "return_sequences") or hasattr(operation, "layer"):
            self._products += A_STEP * max((lengths[0] for lengths in inputs if lengths), default=1)

    def _lengths(self, tensor):
        return [length or self._longest for length in tensor.shape[1:]]
