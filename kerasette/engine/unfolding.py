"""A graph computed node by node, the models within it opened up: without recursion, however deep they are."""


class _Visit:
    """How far `unfold` is with one graph: values of tensors, nodes left, whose call it is, and its mode."""

    __slots__ = ("caller", "graph", "known", "rest", "training")

    def __init__(self, graph, values, caller=None, training=None):
        self.graph, self.caller, self.training = graph, caller, training
        self.known = {id(tensor): value for tensor, value in zip(graph.inputs, values, strict=True)}
        self.rest = iter((*graph.nodes, *graph.mask_nodes))

    def learn(self, node, values):
        self.known.update((id(tensor), value) for tensor, value in zip(node.outputs, values, strict=True))


def unfold(graph, values, compute) -> dict:
    """Returns {id of a tensor: value} for all tensors of a graph; models within it are opened up.

    Args:
        graph: the graph.
        values: those of its inputs.
        compute: `compute(node, values, training)` returns the values of a node's outputs, given those of its
            inputs and the mode that its call fixed, or else the call of a model around it; None if none did.
    """
    stack = [_Visit(graph, values)]
    while True:
        visit = stack[-1]
        node = next(visit.rest, None)
        if node is None:
            stack.pop()
            if not stack:
                return visit.known
            stack[-1].learn(visit.caller, [visit.known[id(tensor)] for tensor in visit.graph.outputs])
        elif not node.outputs or id(node.outputs[0]) not in visit.known:
            given = [visit.known[id(tensor)] for tensor in node.inputs]
            training = node.keywords.get("training", visit.training)
            if node.operation.graph is None:
                visit.learn(node, compute(node, given, training))
            else:
                stack.append(_Visit(node.operation.graph, given, node, training))
