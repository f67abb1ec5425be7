"""One thread's way through a plan: contexts, buffers, caches and gradients, made once and reused."""

from functools import partial

from kerasette.backend import Random, Scratch
from kerasette.errors import type_error
from kerasette.graph import Context, alone
from kerasette.shapes import result_of


class Destinations(dict):
    """{name: where the gradient of that parameter goes}: to be written into, not to be replaced."""

    def __setitem__(self, name, value):
        raise type_error(
            f"backward replaced dw['{name}'], so its gradient would be lost.",
            f"Write into it: dw['{name}'][...] = gradient.",
        )


class Executor:
    """Runs the steps of a plan forward and backward on the arrays of one thread.

    Args:
        plan: the Plan.
        xp, dtype: array module and float type.
        runs: the params.Run list whose gradients are wanted; empty for inference.
        seed: with the step's number and the place in the plan it names each random stream.

    Attributes:
        gradients: one vector for each run; backward fills them.
        penalty: sum of the activity penalties of the last forward.
    """

    def __init__(self, plan, xp, dtype, runs=(), seed=0):
        self.plan = plan
        self.xp = xp
        self.seed = seed
        self.penalty = 0.0
        self.gradients = [xp.zeros(run.theta.size, dtype) for run in runs]
        self._training = False
        self._batch = None  # the first batch sets the mode of each step
        self._values = [None] * len(plan.shapes)
        self._caches = [None] * len(plan.steps)
        self._contexts = [self._context(step, dtype) for step in plan.steps]
        weights = {layer: _weights(layer) for layer in plan.layers}
        self._forward = [
            (
                step.index,
                _by_name(step),
                context,
                weights[step.layer],
                *_ends(step.sources, step.targets),
            )
            for step, context in zip(plan.steps, self._contexts, strict=True)
        ]
        self._drawing = {step.index: step for step in plan.steps if step.operation.draw is not None}
        self._penalizing = [step for step in plan.steps if hasattr(step.operation, "penalty")]
        self._committing = [
            (step, weights[step.layer]) for step in plan.steps if step.operation.commit is not None
        ]
        self._gathering = [self._contexts[step.index] for step in plan.steps if step.operation.gathers]
        self._keeps_state = any(step.operation.keeps_state for step in plan.steps)
        self._proved = False  # whether one batch has shown that each layer returns what it declares
        self._sums = Scratch(xp, dtype)  # where gradients of several consumers meet
        self._runs, self._weights = runs, weights
        self._backward = self.way_back(self.gradients)

    def _context(self, step, dtype):
        return Context(
            self.xp,
            dtype,
            need_dx=any(step.needs_dx),
            trainable=step.layer.trainable,
            in_place=step.in_place,
            goes_back=step.runs_backward,
        )

    # ------------------------------------------------------------ forward

    def forward(self, xs, *, training=False, batch=None, step=0, noise=None, keep=True, total=alone):
        """Runs every step for the input arrays `xs`; returns the arrays of the outputs (buffers of ours).

        Args:
            xs: one array for each input, first axis the samples.
            training: mode of the layers whose call fixed none.
            batch: number of samples of the whole batch, where `xs` are a part of it.
            step: number of the training step, which the random streams depend on.
            noise: {index of a step: its random array}, already cut to these samples; drawn here if None.
            keep: whether backward will follow.
            total: returns the sum of what all parts of the batch bring (see graph.Context).
        """
        rows = len(xs[0])
        for ctx in self._gathering:
            ctx.total = total
        batch = rows if batch is None else batch
        if training is not self._training or batch != self._batch:
            self._set_mode(training, batch)
        keep = keep or self._keeps_state
        values, caches = self._values, self._caches
        for slot, x in zip(self.plan.inputs, xs, strict=True):
            values[slot] = x
        if self._drawing and noise is not None:
            for index, array in noise.items():
                self._contexts[index].noise = array
        drawing = self._drawing if noise is None else None
        calls = self._forward if self._proved else self._checked()
        for index, run, ctx, w, source, target in calls:
            if drawing and index in drawing:
                ctx.noise = self._draw(drawing[index], step, rows)
            if type(source) is int:
                y, cache = run(ctx, w, values[source])
            else:
                y, cache = run(ctx, w, *[values[slot] for slot in source])
            if type(target) is int:
                values[target] = y
            else:
                for slot, one in zip(target, y, strict=True):
                    values[slot] = one
            caches[index] = cache if keep else None
        self._proved = True
        if self._penalizing:
            self.penalty = sum(
                s.operation.penalty(values[s.sources[0]], self._batch) for s in self._penalizing
            )
        return [values[slot] for slot in self.plan.outputs]

    def masks(self):
        """Returns the mask of each output of the last forward, None where it has none."""
        return [None if slot is None else self._values[slot] for slot in self.plan.masks]

    def _checked(self):
        """Returns the calls of the way forward with a look at what layers return: for the first batch."""
        shapes = self.plan.shapes

        def looked_at(step, run, ctx, w, *xs):
            declared = tuple(shapes[slot] for slot in step.targets)
            result = run(ctx, w, *xs)
            return result_of(step.maker, result, len(xs[0]), declared if len(declared) > 1 else declared[0])

        return [
            (index, partial(looked_at, step, run) if _keeps_shape(step) else run, *rest)
            for step, (index, run, *rest) in zip(self.plan.steps, self._forward, strict=True)
        ]

    def _set_mode(self, training, batch):
        self._training, self._batch = training, batch
        for step, ctx in zip(self.plan.steps, self._contexts, strict=True):
            ctx.training = training if step.training is None else step.training
            ctx.batch = batch

    def _draw(self, step, number, rows):
        """Returns the random array of one step for `rows` samples, or None outside training."""
        if not self._contexts[step.index].training:
            return None
        shapes = [self._values[slot].shape[1:] for slot in step.sources]
        return step.operation.draw(self._stream(step, number), rows, *shapes)

    def _stream(self, step, number):
        own = getattr(step.operation, "seed", None)
        return Random(self.xp, self.seed if own is None else own, step.index, number)

    def draw(self, rows, number, training):
        """Returns {index: random array} for a whole batch of `rows`, for cutting into micro-batches."""
        noise = {}
        for step in self._drawing.values():
            if training if step.training is None else step.training:
                shapes = [self.plan.shapes[slot] for slot in step.sources]
                noise[step.index] = step.operation.draw(self._stream(step, number), rows, *shapes)
        return noise

    def statistics(self):
        """Returns the caches that commit() wants, after a forward in training mode."""
        return [self._caches[step.index] for step, _ in self._committing]

    def commit(self, statistics=None):
        """Folds the statistics of a step's micro-batches into the layers.

        Args:
            statistics: list of `statistics()`, one for each micro-batch; by default that of the last forward.
        """
        if not self._committing:
            return
        statistics = [self.statistics()] if statistics is None else statistics
        for position, (step, w) in enumerate(self._committing):
            if self._contexts[step.index].training or step.operation.keeps_state:
                step.operation.commit(w, [one[position] for one in statistics])

    # ------------------------------------------------------------ backward

    def way_back(self, gradients):
        """Returns the way back that writes into `gradients`, one vector for each run: (calls, unreached).

        The calls are, last step first: (index, backward, ctx, w, dw, target, sources, sums). A parameter's
        first gradient is written straight into the run's vector. Where a layer stands in several nodes,
        the later ones write beside it and `sums` says what is added to what. `unreached` are the places
        of parameters that no loss depends on.
        """
        home = {}
        for run, gradient in zip(self._runs, gradients, strict=True):
            for place in run.parameters:
                view = gradient[place.offset : place.offset + place.size].reshape(place.shape)
                home[place.parameter] = view
        written, plans = set(), []
        for step in reversed(self.plan.steps):
            if not step.runs_backward:
                continue
            dw, sums = {}, []
            for key, parameter in _keyed(step.operation).items():
                view = home.get(parameter)
                if view is not None and parameter not in written:
                    written.add(parameter)
                    dw[key] = view
                    continue
                beside = self.xp.empty(parameter.shape, parameter.value.dtype)
                dw[key] = beside
                if view is not None:
                    sums.append((view, beside))
            source, target = _ends(step.sources, step.targets)
            if type(source) is int and not step.needs_dx[0]:
                source = None
            elif type(source) is tuple:
                source = tuple(slot if on else None for slot, on in zip(source, step.needs_dx, strict=True))
            ctx = self._contexts[step.index]
            plans.append(
                (
                    step.index,
                    _in_order(step),
                    ctx,
                    self._weights[step.layer],
                    Destinations(dw),
                    target,
                    source,
                    sums,
                )
            )
        return plans, [view for parameter, view in home.items() if parameter not in written]

    def backward(self, douts, way=None):
        """Runs the way back from the gradients of the outputs; fills `gradients`.

        Args:
            douts: for each output, the gradient of the loss with respect to it, or None.
            way: from `way_back`, to fill other vectors.

        Returns:
            The gradients with respect to the model's inputs, None where the plan doesn't want them.
        """
        grads = [None] * len(self.plan.shapes)
        for slot, dout in zip(self.plan.outputs, douts, strict=True):
            self._add(grads, slot, dout)
        caches, xp = self._caches, self.xp
        calls, unreached = self._backward if way is None else way
        for view in unreached:  # penalties and optimizers write on gradients
            view.fill(0)
        for index, run, ctx, w, dw, target, source, sums in calls:
            dy = grads[target] if type(target) is int else self._several(grads, target)
            if dy is None:
                dy = xp.zeros_like(self._values[target])
            dx = run(ctx, w, dw, dy, caches[index])
            for total, part in sums:
                total += part
            if dx is None and source is not None:
                raise _no_gradient(self.plan.steps[index])
            if type(source) is int:
                if grads[source] is None:
                    grads[source] = dx
                else:
                    self._add(grads, source, dx)
            elif source is not None:
                for slot, one in zip(source, dx, strict=True):
                    if slot is not None:
                        self._add(grads, slot, one)
        return [grads[slot] for slot in self.plan.inputs]

    def _several(self, grads, targets):
        """Returns the gradients of a step's outputs, zeros for those that nobody reads."""
        return tuple(
            self.xp.zeros_like(self._values[slot]) if grads[slot] is None else grads[slot] for slot in targets
        )

    def _add(self, grads, slot, part):
        """Adds `part` to a slot's gradient in an array of our own: parts may be shared between slots."""
        if part is None:
            return
        total = grads[slot]
        if total is None:
            grads[slot] = part
        else:
            grads[slot] = self.xp.add(total, part, out=self._sums((slot, "sum"), total.shape))


def _keeps_shape(step):
    """Tells whether the plan knows the shape that the step's own forward has, without its activation."""
    activation = step.operation.output_activation if step.operation is step.layer else None
    return step.operation is step.layer and (activation is None or activation.output_shape((2,)) == (2,))


def _keyed(operation):
    """Returns {key in `w`: parameter} of an operation; the steps of activations and penalties have none."""
    return operation.keyed_parameters() if operation.parameters else {}


def _weights(layer):
    return {key: parameter.value for key, parameter in _keyed(layer).items()}


def _by_name(step):
    """Returns the step's forward, which takes all arrays by position, those that have names too."""
    forward, names, options = step.operation.forward, step.names, step.options
    if not names:
        return partial(forward, **options) if options else forward
    count = len(step.sources) - len(names)

    def run(ctx, w, *xs):
        return forward(ctx, w, *xs[:count], **dict(zip(names, xs[count:], strict=True)), **options)

    return run


def _in_order(step):
    """Returns the step's backward, which returns all gradients by position, None where there is none."""
    backward, names = step.operation.backward, step.names
    if not names:
        return backward

    def run(ctx, w, dw, dy, cache):
        *dxs, named = backward(ctx, w, dw, dy, cache)
        return (*dxs, *[named.get(name) for name in names])

    return run


def _no_gradient(step):
    own = step.operation is step.layer
    what = f"{type(step.maker).__name__}.backward" if own else "the backward of its activation"
    return type_error(
        f"{step.maker.name}: {what} returned None,",
        "but layers before it need the gradient. Return the gradient with respect to the input.",
    )


def _ends(sources, targets):
    """Returns (source, target): a number where there is one slot, a tuple where there are several."""
    source = sources[0] if len(sources) == 1 else sources
    return source, targets[0] if len(targets) == 1 else targets
