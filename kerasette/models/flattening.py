"""Symbolic tensors, nodes and graphs as flat lists: how models are copied and pickled, however deep they are.

Left to itself, pickle follows a graph node by node and runs out of stack after some hundred layers.
"""

from kerasette.graph import Graph, Node, SymbolicTensor

FIELDS = {kind: [name for name in kind.__slots__ if name != "__weakref__"] for kind in (SymbolicTensor, Node)}


class Reference:
    """Stands for a tensor or node: its kind, and its number among those of the kind."""

    __slots__ = ("kind", "number")

    def __init__(self, kind, number):
        self.kind, self.number = kind, number


class FlatGraph:
    """Stands for a Graph: its attributes, flattened."""

    __slots__ = ("attributes",)

    def __init__(self, attributes):
        self.attributes = attributes


class Flat:
    """Values that may hold symbolic tensors, nodes and graphs, flattened: `Flat(values).rebuild()`.

    Everything that the tensors depend on comes along. The layers are kept as they are.

    Args:
        values: nested lists, tuples and dicts.
    """

    def __init__(self, values):
        found = {SymbolicTensor: {}, Node: {}}  # kind -> {id: object}, in the order in which they are met
        waiting = [values]
        while waiting:
            value = waiting.pop()
            known = found.get(type(value))
            if known is None:
                waiting.extend(_inside(value))
            elif id(value) not in known:
                known[id(value)] = value
                waiting.extend(getattr(value, name) for name in FIELDS[type(value)])
        numbers = {kind: {key: k for k, key in enumerate(known)} for kind, known in found.items()}

        def swap(value):
            known = numbers.get(type(value))
            return None if known is None else Reference(type(value), known[id(value)])

        self._values = _mapped(values, swap)
        self._fields = {
            kind: [[_mapped(getattr(item, name), swap) for name in FIELDS[kind]] for item in known.values()]
            for kind, known in found.items()
        }
        calls = {}
        for node in found[Node].values():
            calls.setdefault(id(node.operation), node.operation)
        self._calls = [
            (one, [numbers[Node][id(node)] for node in one._nodes if id(node) in numbers[Node]])
            for one in calls.values()
            if hasattr(one, "_nodes")
        ]

    def rebuild(self):
        """Returns the values with new tensors, nodes and graphs; the layers learn of their calls."""
        made = {kind: [kind.__new__(kind) for _ in records] for kind, records in self._fields.items()}

        def swap(value):
            return made[value.kind][value.number] if type(value) is Reference else None

        for kind, records in self._fields.items():
            for item, record in zip(made[kind], records, strict=True):
                for name, value in zip(FIELDS[kind], record, strict=True):
                    setattr(item, name, _mapped(value, swap))
        for operation, numbers in self._calls:
            operation._nodes.extend(made[Node][number] for number in numbers)
        return _mapped(self._values, swap)


def _inside(value):
    """Returns what a container holds."""
    if type(value) is Graph:
        return vars(value).values()
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def _mapped(value, swap):
    """Returns `value` with everything replaced that `swap` doesn't return None for."""
    other = swap(value)
    if other is not None:
        return other
    kind = type(value)
    if kind in (list, tuple):
        return kind(_mapped(item, swap) for item in value)
    if kind is dict:
        return {key: _mapped(item, swap) for key, item in value.items()}
    if kind is Graph:
        return FlatGraph(_mapped(vars(value), swap))
    if kind is FlatGraph:
        graph = Graph.__new__(Graph)
        vars(graph).update(_mapped(value.attributes, swap))
        return graph
    return value
