"""A model as one layer inside another: its graph, computed node by node."""

from kerasette.errors import value_error
from kerasette.layers import nesting
from kerasette.layers.nesting import InnerContext, Nesting, refuse_activity


class InnerGraph(Nesting):
    """The graph of a model with one input and one output, as a layer.

    Args:
        owner: name of the layer that holds it, for messages.
        model: the model.

    Attributes:
        of: the graph.
    """

    def __init__(self, owner: str, model):
        super().__init__(name=model.name)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise value_error(
                f"{owner}: '{model.name}' has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
                "one of each is wanted."
            )
        self._model, self.of = model, model.graph
        self._source, self._target = id(model.inputs[0]), id(model.outputs[0])
        self._calls = [
            (node, node.operation if node.operation.graph is None else InnerGraph(owner, node.operation))
            for node in model.graph.nodes
            if id(node.outputs[0]) != self._source
        ]
        for _, operation in self._calls:
            refuse_activity(owner, operation)
            if operation.keeps_state:
                raise value_error(f"{owner}: '{operation.name}' in '{model.name}' must not be stateful.")

    @property
    def held(self):
        return self._model.layers

    @property
    def trainable(self):
        return self._model.trainable

    couples_batch = property(lambda self: any(one.couples_batch or one.gathers for _, one in self._calls))

    by_steps = property(lambda self: any(operation.by_steps for _, operation in self._calls))

    def output_shape(self, shape):
        return self._shapes(shape)[self._target]

    def _shapes(self, shape):
        """Returns {tensor: shape of one sample}."""
        found = {self._source: shape}
        for node, operation in self._calls:
            shapes = [found[id(tensor)] for tensor in node.inputs]
            nested = operation is not node.operation
            result = operation.output_shape(*shapes) if nested else node.result_shape(shapes)
            if operation.output_activation is not None:
                result = operation.output_activation.output_shape(result)
            several = result if result and isinstance(result[0], tuple) else [result]
            found.update((id(tensor), one) for tensor, one in zip(node.outputs, several, strict=True))
        return found

    # ------------------------------------------------------------ the contract

    @property
    def draw(self):
        """What draws for all layers of the model; None where they need nothing."""
        return self._draw if any(nesting.draws(operation) for _, operation in self._calls) else None

    def _draw(self, rng, batch, shape):
        found = self._shapes(shape)
        calls = [(one, batch, [found[id(tensor)] for tensor in node.inputs]) for node, one in self._calls]
        return self._draw_for(rng, shape, calls)

    @property
    def commit(self):
        return self._commit if any(operation.commit is not None for _, operation in self._calls) else None

    def _commit(self, w, caches):
        for number, (_, operation) in enumerate(self._calls):
            if operation.commit is not None:
                operation.commit(self.part(operation, w), [cache[number][1][0] for cache in caches])

    def forward(self, ctx, w, x):
        noises = self._noises(ctx.noise if ctx.training else None, x.shape[1:], [len(x)] * len(self._calls))
        values, caches = {self._source: x}, []
        for number, ((node, operation), noise) in enumerate(zip(self._calls, noises, strict=True)):
            inner = InnerContext(ctx, number, operation, noise, need_dx=True)
            inner.training = node.keywords.get("training", ctx.training)
            xs = [values[id(tensor)] for tensor in node.inputs]
            count = len(node.positional)
            named = {**dict(zip(node.names, xs[count:], strict=True)), **node.options}
            y, cache = nesting.forward(operation, inner, self.part(operation, w), *xs[:count], **named)
            several = y if isinstance(y, tuple) else (y,)
            values.update((id(tensor), one) for tensor, one in zip(node.outputs, several, strict=True))
            caches.append((inner, cache, [one.shape for one in several]))
        return values[self._target], caches

    def backward(self, ctx, w, dw, dy, cache):
        gradients, written = {self._target: dy}, set()
        pairs = zip(reversed(self._calls), reversed(cache), strict=True)
        for (node, operation), (inner, one, shapes) in pairs:
            dys = [gradients.get(id(tensor)) for tensor in node.outputs]
            if all(d is None for d in dys):
                continue
            both = zip(dys, shapes, strict=True)
            dys = [ctx.xp.zeros(shape, dy.dtype) if d is None else d for d, shape in both]
            again, keys = node.operation in written, self.part(operation, w)
            part = self.part(operation, dw)
            target = {key: ctx.xp.empty_like(value) for key, value in keys.items()} if again else part
            given = tuple(dys) if len(dys) > 1 else dys[0]
            dxs = nesting.backward(operation, inner, keys, target, given, one)
            for key in part if again else ():
                part[key] += target[key]
            written.add(node.operation)
            self._spread(node, dxs, gradients)
        for layer in self.held:
            if layer not in written:
                for array in self.part(layer, dw).values():
                    array.fill(0.0)
        return gradients.get(self._source)

    def _spread(self, node, dxs, gradients):
        """Adds the gradients of a node's inputs to those that are there."""
        dxs = list(dxs) if isinstance(dxs, tuple) else [dxs]
        if node.names:
            named = dxs.pop()
            dxs += [named.get(name) for name in node.names]
        for tensor, dx in zip(node.inputs, dxs, strict=True):
            if dx is not None:
                before = gradients.get(id(tensor))
                gradients[id(tensor)] = dx if before is None else before + dx
