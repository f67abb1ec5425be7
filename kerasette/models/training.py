"""Trainer: fit, evaluate, predict. The loop, as on a whiteboard."""

import math
import warnings
from contextlib import nullcontext

import numpy as np

from kerasette import callbacks as callbacks_package
from kerasette import data
from kerasette.backend import next_seed
from kerasette.engine import Plan
from kerasette.errors import one_of, positive_int, value_error
from kerasette.models.compiled import Compiled
from kerasette.models.interrupt import Interrupt
from kerasette.models.keywords import names_unknown
from kerasette.models.run import Run
from kerasette.models.tracking import check_names

PREDICT_ROWS = 1024  # rows of one call of predict where the caller names no batch size


class Trainer(Compiled):
    """The part of a Model that learns. Everything that lasts is in the optimizer and the parameters."""

    # ------------------------------------------------------------ fit

    @names_unknown
    def fit(
        self,
        x=None,
        y=None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose="auto",
        callbacks=None,
        validation_split: float = 0.0,
        validation_data=None,
        shuffle: bool = True,
        class_weight: dict | None = None,
        sample_weight=None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq=1,
        *,
        resume=None,
        allow_nonfinite: bool = False,
    ):
        """Trains for `epochs` passes over the data.

        Ctrl-C ends training after the step that is running: the model and the history so far are kept
        and the callbacks closed. A second Ctrl-C raises KeyboardInterrupt at once.

        With `resume` a run that was killed goes on where it was when the same program is started again,
        and ends with the same bits as if it had never been killed: weights, optimizer, callbacks, history,
        shuffling and random numbers. (`BackupAndRestore` can also save within epochs.) That holds for
        arrays and data in files, and for sequences and other objects that give the same batches whenever
        they are asked. What changes its batches needs get_state() and set_state(state); a generator, which
        can't be put back, is refused. What callbacks of your own remember is saved where their class names
        it in `remembers`, and of metrics what they keep in variables.

        Args:
            x: inputs: array, list or dict of arrays, DataFrame, generator, sequence of batches, lazily
                read dataset. y: targets in the same forms; None where x brings them.
            batch_size: samples a step (32). epochs: number of the last epoch.
            verbose: 0 silent, 1 a progress bar, 2 a line an epoch, "auto" 1.
            callbacks: list of Callback.
            validation_split: share of the last rows that is kept for validation.
            validation_data: (x, y) or (x, y, sample_weight), or batches.
            shuffle: whether rows are drawn anew each epoch.
            class_weight: {class: factor}. sample_weight: one factor a row.
            initial_epoch: number of the first epoch. steps_per_epoch: batches an epoch.
            validation_steps, validation_batch_size, validation_freq: the same for validation;
                `validation_freq` is "every n epochs", or a list of epochs (counted from 1).
            resume: None, or the path of a file that the state of the run is saved to before training and
                after each epoch. Where it exists the run goes on from there: with more epochs, or not at
                all where it was finished. Delete it to begin anew.
            allow_nonfinite: lets NaN and infinity in the data pass.

        Returns:
            History: `history.history` maps names to one value an epoch.

        Raises:
            InvalidValue, InvalidType: for data or settings that don't fit, before any weight changes.
            LoadError: where the file to resume from is damaged, or of another model or other data.
        """
        numbers, verbose = _epochs(initial_epoch, epochs), _verbosity("fit", verbose)
        _due(0, validation_freq)
        given, further = (x, y, sample_weight), {"shuffle": shuffle, "class_weight": class_weight}
        if validation_split:
            given, validation_data = _held_back(given, validation_split, validation_data)
        batches = self._batches("fit", given, batch_size, steps_per_epoch, allow_nonfinite, **further)
        if not batches.repeats and steps_per_epoch is None and len(numbers) > 1:
            raise value_error(
                f"fit: a {type(x).__name__} gives its batches only once, but epochs={epochs}.",
                "Give steps_per_epoch, or something that can be iterated again.",
            )
        rows = batch_size if validation_batch_size is None else validation_batch_size
        validation = self._validation(validation_data, rows, validation_steps, allow_nonfinite)
        listeners, history = callbacks_package.assemble(
            callbacks, self, verbose=verbose, epochs=numbers.stop, steps=batches.steps, resume=resume
        )
        run = Run(self, batches, validation, listeners, numbers)
        self._warn_of_switches("fit")
        session = self._engine.session(batches.batch_size or 32, training=True)
        with self._turn, Interrupt() as interrupt, session:
            self.stop_training, self.history, self._run = False, history, run
            self._run_epochs(run, validation_freq, interrupt)
        return history

    def _run_epochs(self, run, validation_freq, interrupt):
        listeners = run.listeners
        try:
            listeners.call("on_train_begin")  # one of them may put the run where an earlier one was
            for epoch in run:
                logs = self._run_epoch(run, interrupt)
                if run.validation is not None and _due(epoch, validation_freq) and not interrupt.asked:
                    results = self._run_test(run.validation, listeners, interrupt)
                    if not interrupt.asked:
                        logs.update((f"val_{name}", value) for name, value in results.items())
                if interrupt.asked:  # half an epoch is no reason to stop early or to write a checkpoint
                    unknown = dict.fromkeys(self.history.history, math.nan)
                    run.logs = logs
                    self.history.on_epoch_end(epoch, {**unknown, **logs})
                    break
                run.end_epoch(logs)
                listeners.call("on_epoch_end", epoch, logs=lambda logs=logs: logs)
                if self.stop_training:
                    break
            self.optimizer.finalize_variable_values()
        finally:
            listeners.close("on_train_end", run.logs)
            self._run = None
        if interrupt.asked:
            warnings.warn(
                "fit was interrupted; the model and its history are those of the last whole step.",
                stacklevel=4,
            )

    def _run_epoch(self, run, interrupt):
        """Trains one epoch, or what is left of it; returns its logs."""
        listeners = run.listeners
        self._reset()
        listeners.call("on_epoch_begin", run.epoch)
        run.enter_epoch()
        begins = bool(listeners.listeners("on_train_batch_begin"))
        ends = bool(listeners.listeners("on_train_batch_end"))
        seed = self._engine.seed + self._epochs_done
        for number, (xs, ys, ws) in enumerate(run.batches.epoch(seed, run.batch), run.batch):
            if begins:
                listeners.call("on_train_batch_begin", number)
            self._train_step(xs, ys, ws)
            run.batch = number + 1
            if ends:
                listeners.call("on_train_batch_end", number, logs=self._logs)
            if self.stop_training or interrupt.asked:
                break
        self._epochs_done += 1
        return self._logs()

    def _batches(self, who, given, batch_size, steps=None, allow_nonfinite=False, **further):
        """Returns the batches of (x, y, sample_weight), once it is sure that there is a loss for them."""
        x = self._build_for(given[0])
        self._want_compiled(who)
        self._want_loss(who)
        settings = {"batch_size": batch_size, "steps": steps, "allow_nonfinite": allow_nonfinite, **further}
        return data.make_batches(x, *given[1:], signature=self._signature(), who=who, **settings)

    def _validation(self, given, *settings):
        """Returns the batches of `validation_data`, or None; `settings` as in `_batches`."""
        if given is None:
            return None
        check_names(self._tracker.names, self._metrics.names, validated=True)
        return self._batches("validation_data", _parts_of(given), *settings)

    # ------------------------------------------------------------ evaluate

    @names_unknown
    def evaluate(
        self,
        x=None,
        y=None,
        batch_size: int | None = None,
        verbose="auto",
        sample_weight=None,
        steps: int | None = None,
        callbacks=None,
        return_dict: bool = False,
        *,
        allow_nonfinite: bool = False,
    ):
        """Returns the loss (and metrics) on `x` and `y`; arguments as in `fit`.

        Returns:
            A float, or a list [loss, metrics ...], or a dict by name with `return_dict=True`.
        """
        verbose = _verbosity("evaluate", verbose)
        batches = self._batches("evaluate", (x, y, sample_weight), batch_size, steps, allow_nonfinite)
        listeners, _ = callbacks_package.assemble(
            callbacks, self, verbose=verbose, epochs=1, steps=batches.steps, history=False
        )
        rows = batches.batch_size or 32
        with self._runner() as model, Interrupt() as interrupt, model._engine.session(rows):
            results = model._run_test(batches, listeners, interrupt)
        interrupt.raise_if_asked()
        if return_dict:
            return results
        return next(iter(results.values())) if len(results) == 1 else list(results.values())

    def _run_test(self, batches, listeners, interrupt):
        """Runs all batches without learning; returns the results by name."""
        self._reset()
        listeners.call("on_test_begin")
        for number, (xs, ys, ws) in enumerate(batches.epoch(None)):
            listeners.call("on_test_batch_begin", number)
            self._test_step(xs, ys, ws)
            listeners.call("on_test_batch_end", number, logs=self._logs)
            if interrupt.asked:
                break
        results = self._logs()
        listeners.call("on_test_end", logs=lambda: results)
        return results

    # ------------------------------------------------------------ predict

    @names_unknown
    def predict(
        self,
        x,
        batch_size: int | None = None,
        verbose="auto",
        steps: int | None = None,
        callbacks=None,
        *,
        allow_nonfinite: bool = False,
    ):
        """Returns the outputs for `x` as NumPy arrays; no row gives shape (0, ...).

        Args:
            x: inputs as in `fit`.
            batch_size: rows a call; chosen by the engine unless given.
            verbose: 1 shows a progress bar; "auto" shows none.
            steps: number of batches to take. callbacks: list of Callback.
            allow_nonfinite: lets NaN and infinity in the data pass.
        """
        verbose = _verbosity("predict", verbose, auto=0)
        rows = PREDICT_ROWS if batch_size is None else batch_size
        return self._predict(
            "predict", x, rows, verbose, callbacks, steps=steps, allow_nonfinite=allow_nonfinite
        )

    def _predict(self, who, x, rows, verbose=0, callbacks=None, **settings):
        batches = data.make_batches(
            self._build_for(x),
            signature=self._signature(),
            batch_size=rows,
            needs_y=False,
            who=who,
            **settings,
        )
        engine = self._predict_engine()
        listeners = None
        if callbacks or verbose == 1:
            listeners, _ = callbacks_package.assemble(
                callbacks, self, verbose=verbose == 1, epochs=1, steps=batches.steps, history=False
            )
            listeners.call("on_predict_begin")
        collected = []
        # Callbacks may predict, or wait for who does: so batches take turns; stateful ones stay together.
        whole, each = (self._lock, nullcontext()) if engine.keeps_state else (nullcontext(), self._lock)
        with engine.session(batches.batch_size or PREDICT_ROWS), whole:
            for number, (xs, _, _) in enumerate(batches.epoch(None)):
                if listeners:
                    listeners.call("on_predict_batch_begin", number)
                with each:
                    collected.append(engine.predict(xs, next_seed() if engine.draws_always else 0))
                if listeners:
                    listeners.call("on_predict_batch_end", number)
        if listeners:
            listeners.call("on_predict_end")
        return self._structured(self._joined(collected))

    def _joined(self, collected):
        if not collected:
            shapes = [tuple(n or 0 for n in tensor.shape[1:]) for tensor in self.graph.outputs]
            return [np.empty((0, *shape), self._float_type()) for shape in shapes]
        if len(collected) == 1:
            return collected[0]
        return [np.concatenate(parts) for parts in zip(*collected, strict=True)]

    def _predict_engine(self):
        if self._predictor is None or self._is_left_behind(self._predictor):
            self._predicting = self._trainable_now()
            self._predictor = self._engine_of(Plan(self.graph), seed=next_seed())
        return self._predictor

    def _compute(self, xs, training):
        """Returns the outputs for device arrays `xs` at once."""
        if training and self._predictor is not None and self._predicting != self._trainable_now():
            self._predictor = None  # what is frozen behaves as in inference
        engine = self._predict_engine()
        with self._lock:
            step = next_seed() if training or engine.draws_always else 0
            _, _, outs = engine.run(xs, training=training, step=step)
            return [out.copy() for out in outs]

    # ------------------------------------------------------------ single batches

    @names_unknown
    def train_on_batch(
        self,
        x,
        y=None,
        sample_weight=None,
        class_weight=None,
        return_dict: bool = False,
        *,
        allow_nonfinite: bool = False,
    ):
        """Does one training step on one batch; returns its loss (and metrics)."""
        further = {"class_weight": class_weight, "allow_nonfinite": allow_nonfinite}
        return self._on_batch("train_on_batch", True, (x, y, sample_weight), return_dict, **further)

    @names_unknown
    def test_on_batch(
        self, x, y=None, sample_weight=None, return_dict: bool = False, *, allow_nonfinite: bool = False
    ):
        """Returns the loss (and metrics) of one batch."""
        given, further = (x, y, sample_weight), {"allow_nonfinite": allow_nonfinite}
        return self._on_batch("test_on_batch", False, given, return_dict, **further)

    def _on_batch(self, who, trains, given, return_dict, **settings):
        batches = self._batches(who, given, max(1, data.rows_of(given[0])), **settings)
        if trains:
            self._warn_of_switches(who)
        with self._runner(trains) as model, model._engine.session(batches.rows, training=trains):
            model._reset()
            step = model._train_step if trains else model._test_step
            for parts in batches.epoch(None):
                step(*parts)
            results = model._logs()
        if return_dict:
            return results
        return next(iter(results.values())) if len(results) == 1 else list(results.values())

    @names_unknown
    def predict_on_batch(self, x, *, allow_nonfinite: bool = False):
        """Returns the outputs for one batch."""
        rows = max(1, data.rows_of(x))
        return self._predict("predict_on_batch", x, rows, allow_nonfinite=allow_nonfinite)


def _verbosity(who, verbose, auto=1):
    """Returns `verbose` as 0, 1 or 2; raises InvalidValue for anything else."""
    one_of(who, "verbose", verbose, ("auto", 0, 1, 2))
    return auto if verbose == "auto" else int(verbose)


def _epochs(first, last):
    """Returns the numbers of the epochs as a range; raises InvalidValue where one of the two is none."""
    last = positive_int("fit", "epochs", last, minimum=0)
    return range(positive_int("fit", "initial_epoch", first, minimum=0), last)


def _held_back(given, share, validation_data):
    """Returns (x, y, sample_weight) without the last rows, and these as validation_data."""
    if validation_data is not None:
        raise value_error("fit: give validation_split or validation_data, not both.")
    return data.split(*given, share)


def _due(epoch, frequency):
    """Tells whether validation follows epoch number `epoch` (from 0)."""
    if isinstance(frequency, (list, tuple, set, range)):
        return epoch + 1 in frequency
    return (epoch + 1) % positive_int("fit", "validation_freq", frequency) == 0


def _parts_of(given):
    """Returns (x, y, sample_weight) of `validation_data`; a list of two or three is taken as a tuple."""
    if isinstance(given, (tuple, list)):
        if len(given) not in (2, 3):
            raise value_error(f"validation_data is (x, y) or (x, y, sample_weight), got {len(given)} parts.")
        return (*given, None) if len(given) == 2 else tuple(given)
    return given, None, None
