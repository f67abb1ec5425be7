"""What there is to draw of a model: one box for each call of a layer or operation, and the arrows."""

from kerasette.errors import type_error
from kerasette.graph import Node
from kerasette.models import Model
from kerasette.registry import registered_name


class Box:
    """One call of a layer or operation.

    Attributes:
        key: unique in the picture.
        name, type: of the layer, e.g. "dense_1" and "Dense".
        kind: "input", "weights" (it has parameters), "merge" (several inputs), "model" or "plain".
        inputs, outputs: lists of shapes, batch first; None where they aren't known yet.
        dtype: of the output.
        activation: name, or None.
        trainable: True, False, or None where there is nothing to train.
        call, calls: which of how many calls of a shared layer this is.
        inside: the Scene of a nested model that is drawn open, or None.
    """

    __slots__ = (
        "activation",
        "call",
        "calls",
        "dtype",
        "inputs",
        "inside",
        "key",
        "kind",
        "name",
        "outputs",
        "trainable",
        "type",
    )

    def __init__(self, key, operation, node, call=1, calls=1, inside=None):
        self.key, self.inside, self.call, self.calls = key, inside, call, calls
        self.name = operation.name
        self.type = type_name(operation)
        self.inputs = None if node is None else [tensor.shape for tensor in node.inputs]
        self.outputs = None if node is None else [tensor.shape for tensor in node.outputs]
        self.dtype = None if node is None else node.outputs[0].dtype
        self.activation = activation_name(operation)
        self.trainable = bool(operation.trainable) if operation.parameters else None
        self.kind = _kind(operation, node)


class Scene:
    """The boxes of one model in topological order, and the arrows between them.

    Attributes:
        name: of the model.
        boxes: list of Box.
        arrows: set-like dict of (source, target, tail, head): positions in `boxes`, and the innermost
            boxes that the arrow leaves and enters, which differ from them for open nested models.
        entries, exits: the innermost Box of each input and output of the model.
    """

    __slots__ = ("arrows", "boxes", "entries", "exits", "name")

    def __init__(self, name):
        self.name = name
        self.boxes, self.arrows = [], {}
        self.entries, self.exits = [], []

    def count(self) -> int:
        """Returns the number of boxes, those inside of others included."""
        return sum(1 if box.inside is None else 1 + box.inside.count() for box in self.boxes)


def scene(model, expand_nested: bool = False) -> Scene:
    """Returns what there is to draw of `model`.

    Args:
        model: a Model; a Sequential that isn't built yet is shown without shapes.
        expand_nested: whether the inside of nested models is shown.

    Raises:
        InvalidType: where `model` is no Model.
    """
    if not isinstance(model, Model):
        raise type_error(f"A picture needs a Model, got {type(model).__name__}.")
    return _chain(model) if model.graph is None else _graph(model, expand_nested, "n")


def _chain(model):
    """Returns the scene of a Sequential whose input shape isn't known yet."""
    result = Scene(model.name)
    for k, layer in enumerate(model.layers):
        result.boxes.append(Box(f"n{k}", layer, None))
        if k:
            result.arrows[k - 1, k, result.boxes[k - 1], result.boxes[k]] = True
    return result


def _graph(model, expand, prefix):
    graph, result = model.graph, Scene(model.name)
    made = {}  # id of a tensor -> (number of the box that makes it, its innermost box)
    calls, order = {}, {}  # operation -> how many calls; node -> which of them
    for node in graph.nodes:
        order[node] = calls[node.operation] = calls.get(node.operation, 0) + 1
    for node in [*_begun_in_the_middle(graph), *graph.nodes]:
        operation, number = node.operation, len(result.boxes)
        inside = None
        if expand and operation.graph is not None and node.inputs:
            inside = _graph(operation, expand, f"{prefix}{number}_")
        box = Box(f"{prefix}{number}", operation, node, order.get(node, 1), calls.get(operation, 1), inside)
        result.boxes.append(box)
        for k, tensor in enumerate(node.inputs):
            source, tail = made[id(tensor)]
            result.arrows[source, number, tail, box if inside is None else inside.entries[k]] = True
        for k, tensor in enumerate(node.outputs):
            made.setdefault(id(tensor), (number, box if inside is None else inside.exits[k]))
    result.entries = [made[id(tensor)][1] for tensor in graph.inputs]
    result.exits = [made[id(tensor)][1] for tensor in graph.outputs]
    return result


def _begun_in_the_middle(graph):
    """Returns a node without inputs for each model input that another layer's call makes."""
    stand_ins = []
    for tensor in graph.inputs:
        if tensor.node.inputs:
            node = Node(tensor.operation, ())
            node.outputs = (tensor,)
            stand_ins.append(node)
    return stand_ins


def _kind(operation, node):
    if operation.graph is not None:
        return "model"
    if node is not None and not node.inputs:
        return "input"
    if operation.parameters:
        return "weights"
    return "merge" if node is not None and len(node.inputs) > 1 else "plain"


def type_name(operation) -> str:
    """Returns the name of the class; a plain Model is called "Functional", as in Keras."""
    return "Functional" if type(operation) is Model else type(operation).__name__


def activation_name(operation) -> str | None:
    """Returns the name of a layer's activation, or None where it has none."""
    activation = getattr(operation, "activation", None)
    if activation is None or isinstance(activation, str):
        return activation
    name = getattr(activation, "name", None) or getattr(activation, "__name__", None)
    return name or registered_name(activation) or type(activation).__name__


def shape_text(shapes) -> str:
    """Returns "(None, 4)", "[(None, 4), (None, 8)]" for several, or "?" where they aren't known."""
    if shapes is None:
        return "?"
    texts = [str(tuple(shape)) for shape in shapes]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


class Style:
    """Which lines a box shows; the arguments are plot_model's."""

    __slots__ = ("activations", "dtype", "names", "shapes", "trainable")

    def __init__(self, shapes=False, dtype=False, names=False, activations=False, trainable=False):
        self.shapes, self.dtype, self.names = shapes, dtype, names
        self.activations, self.trainable = activations, trainable

    def title(self, box: Box) -> str:
        """Returns the first line of a box."""
        title = f"{box.name} ({box.type})" if self.names else box.type
        if box.inside is not None and box.calls > 1:
            return f"{title} · shared: call {box.call} of {box.calls}"
        return title

    def lines(self, box: Box) -> list[str]:
        """Returns the lines below the title; an open model shows what is inside instead."""
        lines = []
        if box.inside is not None:
            return lines
        if box.calls > 1:
            lines.append(f"shared: call {box.call} of {box.calls}")
        if self.activations and box.activation:
            lines.append(f"activation {box.activation}")
        if self.shapes and box.inputs:
            lines.append(f"in {shape_text(box.inputs)}")
        if self.shapes:
            lines.append(f"out {shape_text(box.outputs)}" if box.inputs else shape_text(box.outputs))
        if self.dtype and box.dtype:
            lines.append(box.dtype)
        if self.trainable and box.trainable is not None:
            lines.append("trainable" if box.trainable else "frozen")
        return lines
