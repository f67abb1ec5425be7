"""The contract of a loss, and how single losses become one number."""

from functools import partial

import numpy as np

from kerasette.backend import FLOATS, floatx, is_array, xp_of
from kerasette.errors import one_of, type_error, value_error
from kerasette.functions.values import align
from kerasette.graph import first_with
from kerasette.losses import targets
from kerasette.registry import Aliased, Configurable, snake_case

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(Configurable, metaclass=Aliased):
    """Base of all losses. Write your own by defining `call`, or `forward` and `backward`.

    Args:
        name: by default the class's name in snake case.
        reduction: how single losses become one number: "sum_over_batch_size" (or "mean"): their sum over
            their count; "sum"; "mean_with_sample_weight": their weighted sum over the sum of the weights;
            "none" or None: not at all, which training can't use.
        dtype: "float32" or "float64" to compute in that type; by default that of the model.

    Attributes:
        fuses_with: name of the activation ("softmax", "sigmoid") that this loss can do together with its
            own work, from logits, or None. Such a loss has `fused_forward(y_true, logits)`, which returns
            (losses, y_pred, cache), and `fused_backward(dlosses, cache)`.
        couples_batch: whether the loss of a sample depends on the other samples of its batch.
        counts_all: whether every label counts, so that `valid` is always None.
        is_formula: whether `call` says what it is, not `forward` and `backward`.

    A subclass that replaces one of these three takes back what its base fuses, unless it says so again.

    A loss of one's own, with the formula mean((y_pred - y_true)^4):

    >>> class Quartic(Loss):
    ...     def forward(self, y_true, y_pred):
    ...         error = y_pred - y_true
    ...         return (error**4).mean(axis=-1), error
    ...     def backward(self, dlosses, error):
    ...         return 4.0 * error**3 * (dlosses[:, None] / error.shape[-1])
    >>> Quartic()([[0.0, 0.0]], [[1.0, 2.0]])
    8.5

    The same as a formula, which is slower and leaves the gradient to the operations:

    >>> from kerasette import ops
    >>> class Quartic(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return ops.mean((y_pred - y_true) ** 4, axis=-1)
    >>> Quartic()([[0.0, 0.0]], [[1.0, 2.0]])
    8.5
    """

    kind = "loss"
    config_hidden = ("dtype",)
    fuses_with = None
    couples_batch = False
    counts_all = True
    is_formula = False
    # What a subclass has that doesn't call super().__init__().
    name, reduction, dtype = "loss", "sum_over_batch_size", None

    def __init__(self, name=None, reduction="sum_over_batch_size", dtype=None):
        who = type(self).__name__
        one_of(who, "reduction", reduction, REDUCTIONS)
        one_of(who, "dtype", dtype, (None, *FLOATS))
        self.name = snake_case(who) if name is None else name
        self.reduction = reduction
        self.dtype = dtype

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        replaced = first_with(cls, "call", "forward", "backward")
        if replaced < first_with(cls, "fuses_with"):
            cls.fuses_with = None
        if replaced < first_with(cls, "is_formula"):
            own = vars(cls.__mro__[replaced])
            cls.is_formula = "call" in own and "forward" not in own

    # ------------------------------------------------------------ what a subclass defines

    def forward(self, y_true, y_pred):
        """Returns (losses, cache): one loss a sample, (n, ...), and what `backward` needs.

        Args:
            y_true: targets as `prepare` made them, (n, ...).
            y_pred: predictions (n, ...).
        """
        if type(self).call is not Loss.call:  # a formula: values can be had, a gradient only in compile()
            return self.call(y_true, y_pred), None
        raise type_error(
            f"{type(self).__name__} has no forward.",
            "Define forward(self, y_true, y_pred) -> (losses, cache), and backward.",
        )

    def backward(self, dlosses, cache):
        """Returns the gradient by `y_pred` as a new array.

        Args:
            dlosses: the gradient by each single loss, (n, ...).
            cache: from `forward`.
        """
        raise type_error(
            f"{type(self).__name__} has no backward.", "Define backward(self, dlosses, cache) -> dy_pred."
        )

    def prepare(self, y, output_shape, who: str = "y") -> np.ndarray:
        """Returns the targets as `forward` wants them: checked, reconciled with the predictions, and cast.

        Args:
            y: targets (n, ...), a whole array or a batch, on the host.
            output_shape: of the prediction for one sample; None stands for any length.
            who: what the message calls `y`.

        Raises:
            InvalidValue: where `y` is missing, doesn't fit the predictions or lies outside the loss's domain.
            InvalidType: where `y` holds no numbers.
        """
        y = targets.numeric(y, who, self.name)
        return targets.floats(targets.fit(y, tuple(output_shape), who, self.name), who)

    def valid(self, y_true):
        """Returns a bool array of the losses that count; None, as here, where all do."""

    # ------------------------------------------------------------ one number

    def scaler(self, rows: int, weights, y_true=None):
        """Returns a function from losses (of a part of a batch) to the factor that makes their sum its value.

        Args:
            rows: samples in the whole batch.
            weights: sample weights of the whole batch, or None.
            y_true: targets of the whole batch; needed where some don't count (`ignore_class`).

        Raises:
            InvalidValue: where the losses aren't reduced at all.
        """
        reduction = self.reduction
        if reduction == "sum":
            return _one
        if reduction is None or reduction == "none":
            raise value_error(
                f"The loss {self.name} has reduction={reduction!r}; training needs one number.",
                "Use 'sum_over_batch_size' or 'sum'.",
            )
        divisor = self._divisor(weights, None if y_true is None else self.valid(y_true))
        if divisor is not None:
            scale = _inverse(divisor)
            return lambda losses: scale

        def over_batch(losses):
            count = rows
            for length in losses.shape[1:]:
                count *= length
            return _inverse(count)

        return over_batch

    def _divisor(self, weights, valid):
        """Returns what a sum of losses is divided by, or None for their count."""
        if self.reduction == "mean_with_sample_weight":
            if weights is None:
                return None if valid is None else float(valid.sum())
            if valid is not None:
                valid, weights = align(valid, weights)
                weights = weights.reshape(weights.shape + (1,) * (valid.ndim - weights.ndim)) * valid
            return float(weights.sum())
        return None if valid is None else float(valid.sum())

    def call(self, y_true, y_pred):
        """Returns the single losses, as Keras's method of that name.

        A subclass may define this one alone, with operators and `kerasette.ops`, instead of `forward` and
        `backward`: `compile` then finds the gradient by itself.

        Args:
            y_true: targets (n, ...).
            y_pred: predictions (n, ...), or such an array within a formula that is being recorded.
        """
        record = getattr(y_pred, "__kerasette_call__", None)
        if record is not None:
            return record(partial(self.forward, y_true), self.backward)
        return self.forward(y_true, y_pred)[0]

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Returns the loss of arrays or lists, reduced.

        Args:
            y_true, y_pred: targets and predictions, (n, ...).
            sample_weight: factor of each loss: a number, (n,), or in the shape of the losses.

        Returns:
            A float, or the array of single losses where `reduction` is "none"; recorded, where y_pred is
            (see `ops.recording`).
        """
        if hasattr(y_pred, "__kerasette_call__"):
            return self._reduce_recorded(self.call(y_true, y_pred), y_true, sample_weight)
        dtype = self.dtype or floatx()
        if is_array(y_pred):
            y_pred = y_pred.astype(dtype, copy=False)
        else:
            y_pred = np.asarray(y_pred, dtype=dtype)
        xp = xp_of(y_pred)
        if not is_array(y_true):
            y_true = xp.asarray(np.asarray(y_true))
        return self._reduce(xp, self.call(y_true, y_pred), sample_weight, self.valid(y_true))

    def _reduce_recorded(self, losses, y_true, weights):
        """Returns what `_reduce` does, for losses within a formula that is being recorded."""

        def compute(losses):
            xp, given = xp_of(losses), weights
            factors = xp.ones_like(losses)
            if weights is not None:
                given = weights if is_array(weights) else xp.asarray(weights, dtype=losses.dtype)
                factors, given = weigh(factors, given.astype(losses.dtype, copy=False))
            if self.reduction in (None, "none"):
                return losses * factors, factors
            factors = factors * self.scaler(len(losses), given, y_true)(losses)
            return (losses * factors).sum(), factors

        return losses.__kerasette_call__(compute, lambda dy, factors: dy * factors)

    def _reduce(self, xp, losses, weights, valid):
        if weights is not None:
            weights = weights if is_array(weights) else xp.asarray(weights, dtype=losses.dtype)
            losses, weights = weigh(losses, weights.astype(losses.dtype, copy=False))
        if valid is not None:
            valid = valid.reshape(losses.shape)
        if self.reduction in ("sum_over_batch_size", "mean") and valid is not None:
            losses = losses * (valid.size * _inverse(float(valid.sum())))
        if self.reduction in (None, "none"):
            return losses
        if losses.ndim == 0:
            return float(losses)
        total = float(losses.sum(dtype="float64"))
        if self.reduction == "sum":
            return total
        divisor = self._divisor(weights, valid) if self.reduction == "mean_with_sample_weight" else None
        return total * _inverse(losses.size if divisor is None else divisor)


def weigh(losses, weights):
    """Returns (losses times weights, weights with the axes of the losses).

    Raises:
        InvalidValue: where the weights fit neither the samples nor the single losses.
    """
    if weights.ndim == losses.ndim + 1 and weights.shape[-1] == 1:
        losses, weights = align(losses, weights)
    elif 0 < weights.ndim < losses.ndim:
        weights = weights.reshape(weights.shape + (1,) * (losses.ndim - weights.ndim))
    fitting = all(a in (1, b) for a, b in zip(weights.shape, losses.shape, strict=False))
    if losses.ndim and (weights.ndim > losses.ndim or not fitting):
        raise value_error(
            f"sample_weight has the shape {weights.shape}, the losses {losses.shape}.",
            "Give one weight a sample, or one a loss.",
        )
    return losses * weights, weights


def _one(losses):
    return 1.0


def _inverse(count):
    return 1.0 / count if count else 0.0


class FunctionLoss(Loss):
    """A loss made of a pair of functions.

    Attributes:
        function: `losses, cache = function(y_true, y_pred, **options)`.
        derivative: `dy_pred = derivative(dlosses, cache)`.
        options: names of the constructor arguments that the function takes.
    """

    function = derivative = None
    options: tuple[str, ...] = ()

    def forward(self, y_true, y_pred):
        """Returns (losses, cache); see `Loss.forward`."""
        before = None
        if y_true.ndim != y_pred.ndim or self.dtype is not None:
            before = y_pred.shape, y_pred.dtype
            y_true, y_pred = self._match(y_true, y_pred)
        options = {name: getattr(self, name) for name in self.options}
        losses, cache = self.function(y_true, y_pred, **options)
        return losses, (cache, before)

    def backward(self, dlosses, cache):
        """Returns the gradient by `y_pred`; see `Loss.backward`."""
        cache, before = cache
        return restore(self.derivative(dlosses, cache), before)

    def _match(self, y_true, y_pred):
        if self.dtype is not None:
            y_pred = y_pred.astype(self.dtype, copy=False)
        return align(y_true, y_pred)


def restore(array, before):
    """Returns `array` in the shape and dtype `before` (None: as it is)."""
    return array if before is None else array.reshape(before[0]).astype(before[1], copy=False)


class FusedLoss(FunctionLoss):
    """A cross-entropy that can start from logits and do the last activation itself.

    Attributes:
        activation: its name.
        fused: `losses, y_pred, cache = fused(y_true, logits, *options)`.
        fused_derivative: `dlogits = fused_derivative(dlosses, cache)`.
        fused_options: names of the constructor arguments that `fused` takes.
    """

    activation = fused = fused_derivative = None
    fused_options: tuple[str, ...] = ()

    @property
    def fuses_with(self):
        """Name of the activation that may be left to this loss, or None."""
        usual = not self.from_logits and self.axis == -1 and self.dtype is None
        return self.activation if usual else None

    def fused_forward(self, y_true, logits):
        """Returns (losses, predictions, cache), given the input of the last activation."""
        before, shape = None, logits.shape
        if y_true.ndim != logits.ndim and self.activation == "sigmoid":
            before = shape, logits.dtype
            y_true, logits = align(y_true, logits)
        options = [getattr(self, name) for name in self.fused_options]
        losses, y_pred, cache = self.fused(y_true, logits, *options)
        return losses, y_pred if before is None else y_pred.reshape(shape), (cache, before)

    def fused_backward(self, dlosses, cache):
        """Returns the gradient by the logits."""
        cache, before = cache
        return restore(self.fused_derivative(dlosses, cache), before)
