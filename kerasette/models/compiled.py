"""Compiled: what compile() makes of a model, one training step, one test step, and where it lives."""

import threading
from contextlib import contextmanager
from copy import copy

import numpy as np

from kerasette import data
from kerasette.backend import module, next_seed, to_module, to_numpy, xp_of
from kerasette.data.checks import warn
from kerasette.engine import Engine, Head, Plan
from kerasette.errors import type_error, value_error
from kerasette.models import compiling
from kerasette.models.keywords import names_unknown
from kerasette.models.portable import Portable
from kerasette.models.tracking import LossTracker, MetricSet, check_names

LARGE = 1 << 18  # parameters from which on several threads update them


class Compiled(Portable):
    """The part of a Model that knows loss, optimizer and metrics, and does single steps."""

    def _trainer_state(self):
        self.optimizer = None
        self.loss = None
        self.stop_training = False
        self.history = None
        self._engine = None  # trains and evaluates; made by compile
        self._predictor = None  # computes outputs; made when first needed
        self._compiled = None
        self._known = None  # (engine, signature)
        self._run = None  # of the fit that is running
        self._make_locks()

    def _make_locks(self):
        self._lock = threading.Lock()  # of the predictor's buffers
        self._turn = threading.RLock()  # of the engine that trains and evaluates, and its running sums

    # ------------------------------------------------------------ compile

    @names_unknown
    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
        *,
        loss_fn=None,
    ):
        """Says how the model learns; checks everything, makes the plan, and returns the model.

        `compile(loss_fn, optimizer)` is understood as well as Keras's `compile(optimizer, loss)`.

        Args:
            optimizer: name or Optimizer.
            loss: name, Loss or function; a list or dict of them for several outputs. "crossentropy" (or
                "ce") is the one that the shapes of outputs and targets call for.
            loss_weights: factors of the losses, a list or dict.
            metrics: names or Metric objects; a list, or a list or dict of lists for several outputs.
            weighted_metrics: the same, seeing sample and class weights.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted for Keras's sake;
                there is nothing that they could change here.
            loss_fn: another name of `loss`.

        Returns:
            The model itself.

        Raises:
            InvalidValue, InvalidType: for unknown names and things that are no loss, optimizer or metric.
        """
        if loss_fn is not None:
            if loss is not None:
                raise type_error("compile: 'loss' and 'loss_fn' are one argument; give one.")
            loss = loss_fn
        compiling.check_switches(run_eagerly, steps_per_execution, jit_compile, auto_scale_loss)
        optimizer, loss = compiling.sort_out(optimizer, loss)
        optimizer = compiling.optimizer_of(optimizer)
        wanted = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        if self.built:
            self._make_engine(wanted, optimizer)
            self._settle()
        else:
            compiling.check_names(loss, metrics, weighted_metrics)
            self._engine = None
        self.optimizer, self.loss, self._compiled = optimizer, loss, wanted
        return self

    def _make_engine(self, wanted, optimizer, seed=None):
        """Makes the plan and the engine for training; which layers are trainable is settled now.

        Args:
            wanted: what compile() was given, as `_compiled` keeps it.
            optimizer: what will do the steps.
            seed: of the engine; drawn unless given.

        Raises:
            InvalidValue, InvalidType: for what doesn't fit the model, which is then as it was.
        """
        names = self.output_names
        shapes = [tensor.shape[1:] for tensor in self.graph.outputs]
        losses = compiling.losses_of(wanted["loss"], names, shapes)
        compiling.try_out(losses, self.graph.outputs, self._float_type(), self._xp())
        weights = compiling.weights_of(wanted["loss_weights"], names)
        trained = self.trainable_weights
        plan = Plan(
            self.graph,
            trained=frozenset(trained),
            fused=[None if loss is None else loss.fuses_with for loss in losses],
            graded=[loss is not None for loss in losses],
        )
        metrics = MetricSet(
            compiling.metrics_of(wanted["metrics"], names, "metrics"),
            compiling.metrics_of(wanted["weighted_metrics"], names, "weighted_metrics"),
            names,
            shapes,
            losses,
        )
        tracker = LossTracker(names, losses, weights)
        check_names(tracker.names, metrics.names)
        engine = self._engine_for(plan, trained, losses, weights, next_seed() if seed is None else seed)
        optimizer.build(engine.runs)
        # From here on nothing fails: a compile() that raises leaves the model as it was.
        self._switches, self._told = self._trainable_now(), None
        self._losses, self._weights = losses, weights
        self._metrics, self._tracker, self._engine = metrics, tracker, engine
        self._constrained = [p for p in trained if p.constraint is not None]
        self._is_large = sum(run.theta.size for run in engine.runs) >= LARGE
        self._steps_done = self._epochs_done = 0

    def _engine_for(self, plan, trained, losses, weights, seed):
        """Returns a new engine that trains `trained` and evaluates."""
        heads = [
            None if loss is None else Head(loss, weight, fused)
            for loss, weight, fused in zip(losses, weights, plan.fused, strict=True)
        ]
        return self._engine_of(plan, trained=trained, heads=heads, seed=seed)

    def _engine_of(self, plan, **keywords):
        return Engine(plan, xp=self._xp(), dtype=self._float_type(), **keywords)

    def _float_type(self):
        parameters = self.parameters
        return parameters[0].dtype if parameters else self.dtype

    @property
    def metrics_names(self) -> list[str]:
        """Names of what evaluate returns, the loss first."""
        self._want_compiled("metrics_names")
        return [*self._tracker.names, *self._metrics.names]

    @property
    def metrics(self) -> list:
        """The metric objects, once the first batch has shown the shape of the targets."""
        return [] if self._engine is None else [metric for _, metric, _, _ in self._metrics.entries or ()]

    def direction_of(self, name: str) -> str | None:
        """Returns "up" or "down": which way the result `name` of evaluate gets better; None where unknown."""
        if self._engine is None:
            return None
        return "down" if name in self._tracker.names else self._metrics.direction(name)

    @property
    def compiled(self) -> bool:
        """Whether compile() has been called."""
        return self._compiled is not None

    def _want_compiled(self, who):
        if self._compiled is None:
            raise value_error(
                f"{self.name}.{who}: the model isn't compiled.", "Call model.compile(loss, optimizer) first."
            )
        if self._engine is None:
            self._make_engine(self._compiled, self.optimizer)
            self._settle()
        self._follow()
        if not self.optimizer.serves(self._engine.runs):
            raise value_error(
                f"{self.name}.{who}: its {type(self.optimizer).__name__} now belongs to another model.",
                "Give each model an optimizer of its own, or compile this one again.",
            )

    def _settle(self):
        """Notes in each layer which state of `trainable` the last compile() has seen, of whatever model."""
        for layer, on in self._switches:
            layer._settled = on

    def _warn_of_switches(self, who):
        """Warns, once for each change, where layers were frozen or thawed and no model was compiled since."""
        now = self._trainable_now()
        if now in (self._switches, self._told):
            return
        self._told = now
        changed = [
            layer for layer, on in now if layer.graph is None and vars(layer).get("_settled", on) is not on
        ]
        changed = [layer for layer in changed if layer.parameters]
        if changed:
            names = ", ".join(f"'{layer.name}'" for layer in changed[:4])
            more = " and others" if len(changed) > 4 else ""
            warn(
                f"{self.name}.{who}: trainable of {names}{more} was changed after compile(), "
                "which has no effect on this model until it is compiled again."
            )

    def _want_loss(self, who):
        if all(loss is None for loss in self._losses):
            raise value_error(
                f"{self.name}.{who}: compile() was given no loss.", "Name one: compile('mse', 'adam')."
            )

    # ------------------------------------------------------------ one batch

    def _signature(self):
        """Returns what data has to look like; made once for each compile."""
        if self._known is not None and self._known[0] is self._engine:
            return self._known[1]
        graph = self.graph
        signature = data.Signature(
            self.input_names,
            [tensor.shape[1:] for tensor in graph.inputs],
            [tensor.dtype for tensor in graph.inputs],
            self.output_names,
            [tensor.shape[1:] for tensor in graph.outputs],
            [None] * len(graph.outputs) if self._engine is None else self._losses,
            readers=_readers(graph),
            limits=_limits(graph),
        )
        self._known = self._engine, signature
        return signature

    def _on_device(self, *groups):
        """Returns lists of arrays as lists of arrays of the engine's module."""
        xp = self._engine.xp
        if xp is np:
            return groups
        return [[None if a is None else to_module(xp, a) for a in arrays] for arrays in groups]

    def _train_step(self, xs, ys, ws):
        """One step: forward, backward, update. Returns nothing; the tracker and the metrics know."""
        engine = self._engine
        xs, ys, ws = self._on_device(xs, ys, ws)
        wanted = self._metrics.wanted
        values, penalty, predictions = engine.run(
            xs, ys, ws, training=True, backward=True, step=self._steps_done, outputs=wanted
        )
        penalty = penalty + engine.penalize(backward=True)
        self.optimizer.step(engine.gradients, engine.parallel if self._is_large else None)
        for parameter in self._constrained:
            parameter.value[...] = parameter.constraint(parameter.value)
        self._steps_done += 1
        self._tracker.add(values, penalty, len(xs[0]))
        if wanted:
            self._metrics.update(ys, predictions, ws, engine.masks)

    def _test_step(self, xs, ys, ws):
        engine = self._engine
        xs, ys, ws = self._on_device(xs, ys, ws)
        values, penalty, predictions = engine.run(xs, ys, ws)
        self._tracker.add(values, penalty + engine.penalize(backward=False), len(xs[0]))
        if self._metrics.wanted:
            self._metrics.update(ys, predictions, ws, engine.masks)

    @contextmanager
    def _runner(self, training=False):
        """Yields what runs: this model, or while another thread runs it already, to evaluate, a stand-in.

        The stand-in has an engine of its own for this one call. To wait for that thread would be for ever
        where it is in a callback that waits for this one.
        """
        is_mine = self._turn.acquire(blocking=training)
        other = None if is_mine else self._stand_in()
        if other is not None:
            yield other
            return
        if not is_mine:
            self._turn.acquire()
        try:
            yield self
        finally:
            self._turn.release()

    def _stand_in(self):
        """Returns a model of the same parameters, with an engine, running sums and metrics of its own.

        None where a metric can't be copied.
        """
        metrics = self._metrics.fresh()
        if metrics is None:
            return None
        other, plan = copy(self), self._engine.plan
        trained = [parameter for parameter in self.parameters if parameter in plan.trained]
        other._make_locks()
        other._engine = self._engine_for(plan, trained, self._losses, self._weights, self._engine.seed)
        other._tracker = LossTracker(self.output_names, self._losses, self._weights)
        other._metrics = metrics
        return other

    def _reset(self):
        self._tracker.reset()
        self._metrics.reset()

    def _logs(self):
        return {**self._tracker.results(), **self._metrics.results()}

    # ------------------------------------------------------------ where it lives

    def to(self, backend: str):
        """Moves the model to "numpy" or "cupy", optimizer state included; returns the model.

        Models that share layers with it move along when they are next used.
        """
        self._move(module(backend))
        return self

    def _move(self, xp):
        for home in dict.fromkeys(parameter.home for parameter in self.parameters):
            home.move(xp)

    def _is_left_behind(self, engine):
        """Tells whether parameters have moved since `engine` was made; the others move after them."""
        if not engine.is_stale():
            return False
        modules = [xp_of(parameter.home.vector) for parameter in self.parameters]
        self._move(next((xp for xp in modules if xp is not engine.xp), engine.xp))
        return True

    def _follow(self):
        """Makes the engine anew where the parameters have moved; the optimizer's state goes with it."""
        engine = self._engine
        if engine is None or not self._is_left_behind(engine):
            return
        state = [(name, to_numpy(value)) for name, value in self.optimizer.state(exact=True)]
        done = self._steps_done, self._epochs_done
        self.optimizer.unbuild()
        self._remake_engine(engine.seed)
        self.optimizer.load_state(state)
        self._steps_done, self._epochs_done = done

    def _build_for(self, x):
        """Makes the parameters of a model that waits for its first data (Sequential); returns `x`.

        Where `x` gives each batch only once, and one was looked at, another object that gives them all.
        """
        return x


def _readers(graph):
    """Returns for each input of `graph` the name of the first layer that reads it."""
    first = {}
    for node in graph.nodes:
        for tensor in node.inputs:
            first.setdefault(id(tensor), node.operation.name)
    return [first.get(id(tensor), tensor.name) for tensor in graph.inputs]


def _limits(graph):
    """Returns for each input of `graph` the lowest `input_limit` of what reads it, or None."""
    found = {}
    for node in graph.nodes:
        limit = node.operation.input_limit
        if limit is not None:
            for tensor in node.inputs:
                found[id(tensor)] = min(limit, found.get(id(tensor), limit))
    return [found.get(id(tensor)) for tensor in graph.inputs]
