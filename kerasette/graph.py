"""The graph: symbolic tensors, nodes (one call of one operation each), and their order.

A node is a call, not a layer: a layer that is called twice stands in two nodes, so shared layers make
no cycles. Everything here is iterative; a graph may be tens of thousands of nodes deep.
"""

from inspect import signature

from kerasette.backend import Random, Scratch, computed, floatx, next_seed
from kerasette.errors import type_error, value_error
from kerasette.shapes import result_of


class SymbolicTensor:
    """A value that will exist when the model runs: its shape (batch first), type and origin.

    Attributes:
        shape: the batch dimension (None where it is open), then the lengths of one sample.
        dtype: name of the type, e.g. "float32".
        node: the Node that makes it.
        index: which output of that node it is.
        name: for people; not unique.
        mask: the symbolic tensor that says which steps of it count, bool (batch, steps), or None.
    """

    __slots__ = ("__weakref__", "dtype", "index", "mask", "name", "node", "shape")
    __array_priority__ = 1000  # so that array + symbolic reaches our operators
    __array_ufunc__ = None

    def __init__(self, shape, dtype=None, node=None, index=0, name=None):
        self.shape = tuple(shape)
        self.dtype = dtype or floatx()
        self.node = node
        self.index = index
        self.name = name
        self.mask = None

    @property
    def ndim(self) -> int:
        """Number of dimensions, the batch included."""
        return len(self.shape)

    @property
    def operation(self) -> "Operation":
        """The layer or operation whose call makes this tensor."""
        return self.node.operation

    def __repr__(self):
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __bool__(self):
        raise type_error(
            f"The symbolic tensor '{self.name}' has no value yet, so it can't decide an `if`.",
            "Use operations (kerasette.ops) or a layer instead.",
        )

    def __iter__(self):
        raise type_error(
            f"The symbolic tensor '{self.name}' can't be iterated.",
            "Slice it (x[:, 0]) or use kerasette.ops.",
        )

    def __array__(self, *_, **__):
        raise type_error(
            f"The symbolic tensor '{self.name}' has no value yet, so it is no array.",
            "Make a Model of it and call predict(), or call the layer on an array.",
        )


class Node:
    """One call of an operation: which tensors went in, which came out, and the call's own settings.

    Attributes:
        inputs: the tensors given by position, then those given by name.
        names: the names of the latter ("mask", "initial_state").
        keywords: the keywords of the call as they were written.
        options: those of them that are no tensors; forward and output_shape get them.
        outputs: the tensors that it makes.
    """

    __slots__ = ("inputs", "keywords", "names", "operation", "options", "outputs")

    def __init__(self, operation, inputs, keywords=None, named=None, options=None):
        named = named or {}
        self.operation = operation
        self.inputs = (*inputs, *named.values())
        self.names = tuple(named)
        self.keywords = keywords or {}
        self.options = options or {}
        self.outputs = ()

    @property
    def positional(self) -> tuple:
        """The tensors given by position."""
        return self.inputs[: len(self.inputs) - len(self.names)]

    def result_shape(self, shapes):
        """Returns the operation's output_shape, given the shape of one sample of each input."""
        if not self.names and not self.options:
            return self.operation.shape_of_result(*shapes)
        count = len(self.inputs) - len(self.names)
        further = {**dict(zip(self.names, shapes[count:], strict=True)), **self.options}
        return described(self.operation, shapes[:count], further)

    def output_shapes(self, shapes) -> list:
        """Returns the shape of one sample of each output, the activation included; see `result_shape`."""
        result = self.result_shape(shapes)
        if self.operation.output_activation is not None:
            result = self.operation.output_activation.output_shape(result)
        return list(result) if result and isinstance(result[0], tuple) else [result]


def described(operation, shapes, further):
    """Returns the operation's output_shape for `shapes` and those of the `further` keywords that it takes."""
    known = () if operation.graph is not None else signature(operation.output_shape).parameters
    return operation.shape_of_result(*shapes, **{name: v for name, v in further.items() if name in known})


class Context:
    """What a layer's forward and backward get besides arrays: one for each node and executor.

    Attributes:
        xp: numpy or cupy.
        training: whether this is a training step (or a call with training=True).
        trainable: whether the layer was trainable when the model was compiled.
        need_dx: whether backward has to return the gradient with respect to the inputs.
        goes_back: whether backward may follow.
        in_place: whether forward may write its result over its input.
        batch: number of samples in the whole batch, of which these may be a part.
        noise: what the layer's draw() returned for these samples, or None.
        total: a function that returns the sum of what all parts of the batch bring to it.
        buffer: `buffer(name, shape, dtype=float)` gives an array that is reused from step to step.
    """

    __slots__ = (
        "batch",
        "buffer",
        "goes_back",
        "in_place",
        "need_dx",
        "noise",
        "total",
        "trainable",
        "training",
        "xp",
    )

    def __init__(
        self,
        xp,
        dtype=None,
        *,
        training=False,
        need_dx=True,
        trainable=True,
        in_place=False,
        goes_back=True,
    ):
        self.xp = xp
        self.training = training
        self.trainable = trainable
        self.need_dx = need_dx
        self.in_place = in_place
        self.goes_back = goes_back
        self.batch = 1
        self.noise = None
        self.total = alone
        self.buffer = Scratch(xp, dtype)


def alone(array):
    """Returns the sum over all parts of a batch that is in one part."""
    return array


# What rests on one forward and backward. It is declared on classes (cached_property: by what an instance is
# configured for), never set on instances, from where a subclass couldn't take it back.
PROMISES = {"fuses_with", "halves", "input_limit", "joins_maxima"}
PROMISES |= {"keeps_order", "output_bias", "reads", "stops_early"}


def first_with(cls, *names) -> int:
    """Returns how far up the line of a class's bases the first stands that defines one of `names`."""
    line = cls.__mro__
    return next((k for k, base in enumerate(line) if not vars(base).keys().isdisjoint(names)), len(line))


class Operation:
    """The contract of whatever can stand in a node: shapes and two calls.

    The attributes say what the engine has to know; it never asks for a class. A subclass that replaces
    forward or backward takes back what its base promised of them (`PROMISES`), unless it says so again.

    Attributes:
        couples_batch: in training the result for one sample depends on the others, so a batch stays whole.
        gathers: the same, but forward and backward ask `ctx.total` for sums over the whole batch
            (BatchNormalization), so that it may be cut; all parts ask equally often.
        draw: None, or a method `draw(rng, batch, *input_shapes)` that returns random arrays for a
            whole batch (first axis: samples, or length 1); `ctx.noise` brings them to forward.
        fuses_with: the name of the activation that this operation is ("softmax"), or None.
        output_bias: key of the parameter that forward adds to its result last, over its last axis, and leaves
            out where `w` lacks it; None where there is none.
        output_activation: an Activation that the engine applies to the result of forward, or None.
            Who declares one promises that forward fills a buffer of its own that backward never reads.
        activity: a regularizer of the (activated) output, or None.
        commit: None, or a method `commit(w, caches)`, called once after each training step with the
            caches of the step's micro-batches in order; what it reads must not live in a buffer.
        data_format: "channels_last" or "channels_first" where windows move along all other axes of a sample,
            else None.
        joins_maxima: `forward_maxima` and `backward_maxima` do what forward and backward do together with
            those of an operation that `halves`.
        halves: its output are the maxima of 2 x 2 numbers side by side, channels last, an odd end left out.
        keeps_order: its output are maxima of its input, so that a ReLU may as well follow as come before;
            backward needs neither input nor output.
        input_limit: n where inputs are whole numbers from 0 to n - 1, so that data can be checked before it
            gets here; None for any numbers.
        reads: `reads(shape)` tells the shape of the part of a sample, from its beginning on, that the result
            depends on; None where that is all.
        stops_early: `forward` takes `part`, the shape of that part of a sample's result which is wanted.
        by_steps: it goes through time step by step, in calls that are short already: a batch that were cut
            would only make more of them, and workers would wait for one another;
        runs_compiled: unless this is so, and all steps are one call that holds nobody up.
        keeps_state: it remembers one batch for the next, in inference too: batches stay whole, follow
            one another, and each is committed.
    """

    couples_batch = False
    gathers = False
    draw = None
    fuses_with = None
    output_bias = None
    output_activation = None
    activity = None
    commit = None
    data_format = None
    halves = False
    input_limit = None
    joins_maxima = False
    keeps_order = False
    reads = None
    stops_early = False
    by_steps = False
    runs_compiled = False
    keeps_state = False
    parameters = ()
    trainable = True
    graph = None  # a model has one; the plan inlines it
    name = "operation"

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        replaced = first_with(cls, "forward", "backward")
        if "call" in vars(cls) and replaced and cls.forward is not Operation.forward:
            raise type_error(
                f"{cls.__name__} defines call(), but {cls.__mro__[replaced].__name__}.forward() would run.",
                "There is no automatic differentiation: override forward() and backward() instead.",
            )
        for name in PROMISES:
            if replaced < first_with(cls, name):
                setattr(cls, name, getattr(Operation, name))

    def keyed_parameters(self) -> dict:
        """Returns {key in `w`: parameter}; a layer that holds others gives theirs keys of their own."""
        return {parameter.name: parameter for parameter in self.parameters}

    def output_shape(self, *input_shapes):
        """Returns the shape of one sample of the output, given those of the inputs."""
        return input_shapes[0]

    def shape_of_result(self, *input_shapes, **further):
        """Returns what `output_shape` does; of a model too, whose `output_shape` is no method but Keras's."""
        return self.output_shape(*input_shapes, **further)

    def output_dtype(self, *input_dtypes) -> str:
        """Returns the type of the output."""
        return floatx()

    def forward(self, ctx, w, *xs, **named):
        """Returns the output for the arrays `xs`, and what backward needs.

        `named` are the arrays of the tensors that the call gave by name, and its options. Several
        outputs are a tuple.
        """
        raise NotImplementedError(
            f"{type(self).__name__} defines no forward(). There is no automatic differentiation: instead of "
            "call(), write forward(ctx, w, x) -> (y, cache) and backward(ctx, w, dw, dy, cache) -> dx."
        )

    def backward(self, ctx, w, dw, dy, cache):
        """Assigns each `dw[name]`; returns the gradient with respect to the input, or a tuple of them.

        Where the call gave tensors by name the tuple's last item is a dict of their gradients.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no backward().")

    def symbolic_call(self, inputs, keywords=None, named=None, options=None):
        """Makes a node and returns its output: a SymbolicTensor, or a tuple of them."""
        node = Node(self, inputs, keywords, named, options)
        batch = next((tensor.shape[0] for tensor in inputs if tensor.shape[0] is not None), None)
        shapes = node.output_shapes([tensor.shape[1:] for tensor in node.inputs])
        dtype = self.output_dtype(*[computed(tensor.dtype) for tensor in inputs])
        node.outputs = tuple(
            SymbolicTensor((batch, *shape), dtype, node, index, self.name)
            for index, shape in enumerate(shapes)
        )
        return node.outputs if len(shapes) > 1 else node.outputs[0]

    def eager_call(self, xp, xs, w, *, training=False, key=None, named=None):
        """Returns the output for the arrays `xs` at once, activation included; `key` is that of `Random`."""
        ctx = Context(xp, training=training, need_dx=False, trainable=self.trainable)
        if training and self.draw is not None:
            rng = Random(xp, *((next_seed(),) if key is None else key))
            ctx.noise = self.draw(rng, len(xs[0]), *[x.shape[1:] for x in xs])
        ctx.batch = len(xs[0])
        named = named or {}
        further = {name: v.shape[1:] if hasattr(v, "shape") else v for name, v in named.items()}
        declared = described(self, [x.shape[1:] for x in xs], further)
        y, cache = result_of(self, self.forward(ctx, w, *xs, **named), len(xs[0]), declared)
        if self.commit is not None and (training or self.keeps_state):
            self.commit(w, [cache])
        if self.output_activation is not None:
            y, _ = self.output_activation.forward(y)
        return y


class Graph:
    """Everything between some input tensors and some output tensors.

    Attributes:
        inputs, outputs: lists of SymbolicTensor.
        masks: for each output, the tensor that says which steps of it count, or None.
        nodes: every node in an order in which each stands behind those that it needs.
        operations: each operation once, in the order of Keras: by depth (longest way to an
            output), then by when a walk from the outputs first meets it.
        mask_nodes: further nodes, which only the masks of outputs need.
    """

    def __init__(self, inputs, outputs):
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.masks = [tensor.mask for tensor in self.outputs]
        self.nodes, met = _walk(self.inputs, self.outputs)
        self.operations = _by_depth(self.nodes, met)
        self.mask_nodes = []
        if any(mask is not None for mask in self.masks):
            known = set(self.nodes)
            wanted = [*self.outputs, *[mask for mask in self.masks if mask is not None]]
            self.mask_nodes = [node for node in _walk(self.inputs, wanted)[0] if node not in known]

    def unused_inputs(self):
        """Returns the inputs that no output depends on."""
        reached = {id(tensor) for node in self.nodes for tensor in (*node.inputs, *node.outputs)}
        reached.update(id(tensor) for tensor in self.outputs)
        return [tensor for tensor in self.inputs if id(tensor) not in reached]


def _walk(inputs, outputs):
    """Returns the nodes in postorder and {operation: when it was first met}."""
    stops = {id(tensor) for tensor in inputs}
    nodes, met, seen = [], {}, set()
    stack = [(tensor.node, tensor, False) for tensor in reversed(outputs)]
    while stack:
        node, tensor, leaving = stack.pop()
        if leaving:
            nodes.append(node)
            continue
        if id(tensor) in stops and node.inputs:
            continue  # the model begins in the middle of another graph
        if node in seen:
            continue
        seen.add(node)
        met.setdefault(node.operation, len(met))
        if not node.inputs and id(tensor) not in stops:
            raise value_error(
                f"The graph is disconnected: the outputs depend on the input '{tensor.name}',",
                f"which is not among the model's inputs ({', '.join(repr(i.name) for i in inputs)}).",
                "Add it to them.",
            )
        stack.append((node, tensor, True))
        stack.extend(
            (source.node, source, False) for source in reversed(node.inputs) if source.node not in seen
        )
    return nodes, met


def _by_depth(nodes, met):
    depth, deepest = {}, {}
    for node in reversed(nodes):
        here = max(depth.get(node, 0), deepest.get(node.operation, 0))
        depth[node] = deepest[node.operation] = here
        for source in node.inputs:
            depth[source.node] = max(here + 1, depth.get(source.node, 0))
    return sorted(met, key=lambda operation: (-deepest[operation], met[operation]))
