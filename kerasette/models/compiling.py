"""What compile() was given, spread over the outputs: losses, weights and metrics."""

from functools import partial
from types import FunctionType, MethodType

from kerasette import losses, metrics, optimizers
from kerasette.errors import hint, one_of, positive_int, type_error, value_error
from kerasette.losses import Loss
from kerasette.losses.by_shape import is_by_shape
from kerasette.models.written_loss import WrittenLoss, loss_for
from kerasette.optimizers import Optimizer
from kerasette.registry import names


def sort_out(optimizer, loss):
    """Returns (optimizer, loss), whichever of the two came first.

    A loss and an optimizer can't be mistaken for one another, so both orders of compile are understood.
    """
    if _is_loss(optimizer) or _is_optimizer(loss):
        optimizer, loss = loss, optimizer
    return "rmsprop" if optimizer is None else optimizer, loss


def _is_optimizer(value):
    if isinstance(value, type):
        return issubclass(value, Optimizer)
    return isinstance(value, Optimizer) or (isinstance(value, str) and value in names("optimizer"))


def _is_loss(value):
    if isinstance(value, (list, dict)) and not (isinstance(value, dict) and "class_name" in value):
        return True
    if isinstance(value, type):
        return issubclass(value, Loss)
    if isinstance(value, str):
        return value in names("loss") or is_by_shape(value)
    return isinstance(value, (Loss, FunctionType, MethodType, partial))


def per_output(value, output_names, what):
    """Returns a list with one entry of `value` for each output.

    Args:
        value: None, one thing for all outputs, a list in the order of the outputs, or a dict by name.
        output_names: names of the outputs.
        what: what it is, for messages.

    Raises:
        InvalidValue: for an unknown name or a list of another length.
    """
    count = len(output_names)
    if isinstance(value, dict):
        for name in value:
            if name not in output_names:
                raise value_error(f"compile: {what} names an output '{name}'.", hint(name, output_names))
        return [value.get(name) for name in output_names]
    if isinstance(value, (list, tuple)):
        if len(value) != count:
            raise value_error(
                f"compile: the model has {count} output(s), got {len(value)} entries in {what}."
            )
        return list(value)
    return [value] * count


def losses_of(loss, output_names, output_shapes):
    """Returns a Loss (or None) for each output; `output_shapes` are those of one sample."""
    spread = per_output(loss, output_names, "loss")
    return [loss_for(losses.choose(*both)) for both in zip(spread, output_shapes, strict=True)]


def try_out(losses, tensors, dtype, xp):
    """Raises InvalidType where a loss that is written as a formula has no gradient by its output."""
    for loss, tensor in zip(losses, tensors, strict=True):
        if isinstance(loss, WrittenLoss):
            loss.try_out(tensor.shape[1:], dtype, xp)


def check_switches(run_eagerly, steps_per_execution, jit_compile, auto_scale_loss):
    """Raises InvalidValue where one of the arguments that change nothing here isn't what Keras takes."""
    one_of("compile", "run_eagerly", run_eagerly, (False, True, None))
    positive_int("compile", "steps_per_execution", steps_per_execution)
    one_of("compile", "jit_compile", jit_compile, ("auto", False, True, None))
    one_of("compile", "auto_scale_loss", auto_scale_loss, (True, False))


def check_names(loss, *metric_lists):
    """Raises InvalidValue for a loss or metric that doesn't exist, before the outputs are known."""
    if not isinstance(loss, dict):
        losses_of(loss, ["output"], [(None,)])
    for value in metric_lists:
        if not isinstance(value, dict):
            metrics_of(value, ["output"], "metrics")


def weights_of(loss_weights, output_names):
    """Returns the factor of each output's loss."""
    if isinstance(loss_weights, (int, float)):
        return [float(loss_weights)] * len(output_names)
    weights = per_output(loss_weights, output_names, "loss_weights")
    for weight in weights:
        if weight is not None and (isinstance(weight, str) or not hasattr(weight, "__float__")):
            raise value_error(
                f"compile: loss_weights holds numbers, got {weight!r}.", "Metrics go to the argument metrics."
            )
    return [1.0 if weight is None else float(weight) for weight in weights]


def metrics_of(value, output_names, what):
    """Returns a list of metric identifiers for each output, as Keras reads the argument.

    Raises:
        InvalidValue: for a name that no metric has.
    """
    if value is None:
        spread = [[] for _ in output_names]
    elif isinstance(value, dict):
        spread = [_as_list(one) for one in per_output(value, output_names, what)]
    elif not isinstance(value, (list, tuple)):
        raise type_error(f"compile: {what} is a list or a dict by output name, got {type(value).__name__}.")
    elif len(output_names) == 1:
        spread = [
            _as_list(value[0]) if len(value) == 1 and isinstance(value[0], (list, tuple)) else list(value)
        ]
    else:
        spread = [_as_list(one) for one in per_output(value, output_names, what)]
    return [[_known_metric(one) for one in group] for group in spread]


def _known_metric(identifier):
    """Returns a metric for all but names: what these stand for depends on the shape of the targets."""
    if not isinstance(identifier, str):
        return metrics.get(identifier)
    if identifier not in ("accuracy", "acc", "crossentropy", "ce"):
        metrics.get(identifier)
    return identifier


def _as_list(value):
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def optimizer_of(optimizer):
    """Returns the Optimizer that `optimizer` (a name, an object or a config) stands for."""
    return optimizers.get(optimizer)
