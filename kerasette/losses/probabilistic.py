"""Losses for probabilities: cross-entropies, focal ones, and the Kullback-Leibler divergence."""

from functools import partial

from kerasette.errors import fraction, value_error
from kerasette.functions import crossentropy, focal
from kerasette.losses import targets
from kerasette.losses.base import FunctionLoss, FusedLoss
from kerasette.registry import register

MEAN = "sum_over_batch_size"


def _whole_axis(owner, axis):
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise value_error(f"{owner}: axis must be a whole number, got {axis!r}.")
    return axis


class _Smoothed:
    """The arguments that all cross-entropies but the sparse one share."""

    def _store(self, from_logits, label_smoothing, axis):
        fraction(type(self).__name__, "label_smoothing", label_smoothing)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = _whole_axis(type(self).__name__, axis)


class _FusedSmoothed(_Smoothed, FusedLoss):
    """What the two cross-entropies have in common that may start from logits."""

    options = ("from_logits", "label_smoothing", "axis")
    fused_options = ("label_smoothing",)

    def __init__(self, from_logits, label_smoothing, axis, reduction, name, dtype):
        super().__init__(name, reduction, dtype)
        self._store(from_logits, label_smoothing, axis)


class _Binary(_Smoothed):
    """Targets from 0 to 1 in the shape of the predictions."""

    def prepare(self, y, output_shape, who="y"):
        """Returns the targets, all from 0 to 1; see `Loss.prepare`."""
        targets.class_axis(self.axis, tuple(output_shape) or (1,), self.name)
        return targets.from_zero_to_one(super().prepare(y, output_shape, who), who, self.name)


class _Categorical(_Smoothed):
    """Targets with one column a class."""

    def prepare(self, y, output_shape, who="y"):
        """Returns the targets, one column a class; see `Loss.prepare`."""
        output_shape = tuple(output_shape)
        axis = targets.class_axis(self.axis, output_shape, self.name)
        y = targets.numeric(y, who, self.name)
        targets.not_class_numbers(y, output_shape, axis, who, self.name)
        return super().prepare(y, output_shape, who)


@register("loss", "bce", "BCE")
class BinaryCrossentropy(_Binary, _FusedSmoothed):
    """Mean of -y log(p) - (1 - y) log(1 - p) over `axis`.

    Behind a sigmoid the engine computes it from the logits: exact also where the sigmoid saturates.

    Args:
        from_logits: whether predictions are logits.
        label_smoothing: 0 to 1; the part of each label that is replaced by one half.
        axis: of the mean.
        reduction, name, dtype: see `Loss`.
    """

    function = staticmethod(crossentropy.binary_crossentropy)
    derivative = staticmethod(crossentropy.binary_crossentropy_backward)
    activation = "sigmoid"
    fused = staticmethod(crossentropy.sigmoid_crossentropy)
    fused_derivative = staticmethod(crossentropy.sigmoid_crossentropy_backward)

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction=MEAN,
        name="binary_crossentropy",
        dtype=None,
    ):
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)


@register("loss")
class CategoricalCrossentropy(_Categorical, _FusedSmoothed):
    """-sum(y_true log(p)) over the classes; y_true has one column a class.

    Behind a softmax the engine computes it from the logits: exact also where the softmax saturates.

    Args:
        from_logits: whether predictions are logits.
        label_smoothing: 0 to 1; the part of each label that is spread over all classes.
        axis: of the classes.
        reduction, name, dtype: see `Loss`.
    """

    function = staticmethod(crossentropy.categorical_crossentropy)
    derivative = staticmethod(crossentropy.categorical_crossentropy_backward)
    activation = "softmax"
    fused = staticmethod(crossentropy.softmax_crossentropy)
    fused_derivative = staticmethod(crossentropy.softmax_crossentropy_backward)

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction=MEAN,
        name="categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)


@register("loss")
class SparseCategoricalCrossentropy(FusedLoss):
    """-log(p[y_true]) for class numbers y_true.

    Behind a softmax the engine computes it from the logits: exact also where the softmax saturates.

    Args:
        from_logits: whether predictions are logits.
        ignore_class: label (such as -1 or 255) whose samples don't count: neither in the sum nor in the
            number it is divided by.
        reduction: see `Loss`.
        axis: of the classes in the predictions.
        name, dtype: see `Loss`.

    >>> SparseCategoricalCrossentropy(from_logits=True)([1, 0], [[0.0, 0.0], [0.0, 0.0]])  # log(2)
    0.693147...
    """

    # `prepare` has looked at every label before training; the functions needn't do so at every step.
    function = staticmethod(partial(crossentropy.sparse_categorical_crossentropy, checked=True))
    derivative = staticmethod(crossentropy.sparse_categorical_crossentropy_backward)
    options = ("from_logits", "ignore_class", "axis")
    activation = "softmax"
    fused = staticmethod(partial(crossentropy.sparse_softmax_crossentropy, checked=True))
    fused_derivative = staticmethod(crossentropy.sparse_softmax_crossentropy_backward)
    fused_options = ("ignore_class",)
    fuses_with, is_formula = FusedLoss.fuses_with, False  # its call adds a check, and nothing else

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction=MEAN,
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(name, reduction, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = _whole_axis(type(self).__name__, axis)

    def prepare(self, y, output_shape, who="y"):
        """Returns class numbers as whole numbers, without the axis of the classes; see `Loss.prepare`."""
        output_shape = tuple(output_shape)
        axis = targets.class_axis(self.axis, output_shape, self.name)
        y = targets.numeric(y, who, self.name)
        return targets.class_numbers(y, output_shape, axis, self.ignore_class, who, self.name)

    def call(self, y_true, y_pred):
        """Returns the single losses; labels given here went through no `prepare`, so they are checked."""
        crossentropy.class_numbers(y_true, y_pred.shape, self.ignore_class, self.axis)
        return super().call(y_true, y_pred)

    @property
    def counts_all(self):
        return self.ignore_class is None

    def valid(self, y_true):
        """Returns which labels aren't `ignore_class`, or None where there is none."""
        return None if self.ignore_class is None else y_true != self.ignore_class

    def _match(self, y_true, y_pred):
        # Class numbers have one axis less on purpose.
        return y_true, y_pred if self.dtype is None else y_pred.astype(self.dtype, copy=False)


@register("loss")
class BinaryFocalCrossentropy(_Binary, FusedLoss):
    """Binary cross-entropy in which samples that are already right count less (Lin et al., 2017).

    Behind a sigmoid the engine computes it from the logits: exact also where the sigmoid saturates.

    Args:
        apply_class_balancing: whether class 1 is weighted by `alpha` and class 0 by 1 - `alpha`.
        alpha: weight of class 1.
        gamma: how strongly samples that are already right are held back; 0 for not at all.
        from_logits: whether predictions are logits.
        label_smoothing: 0 to 1; the part of each label that is replaced by one half.
        axis: of the mean.
        reduction, name, dtype: see `Loss`.
    """

    function = staticmethod(focal.binary_focal_crossentropy)
    derivative = staticmethod(focal.binary_focal_crossentropy_backward)
    options = ("apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing", "axis")
    activation = "sigmoid"
    fused = staticmethod(focal.sigmoid_focal_crossentropy)
    fused_derivative = staticmethod(focal.sigmoid_focal_crossentropy_backward)
    fused_options = ("apply_class_balancing", "alpha", "gamma", "label_smoothing")

    def __init__(
        self,
        apply_class_balancing=False,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction=MEAN,
        name="binary_focal_crossentropy",
        dtype=None,
    ):
        super().__init__(name, reduction, dtype)
        self._store(from_logits, label_smoothing, axis)
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma


@register("loss")
class CategoricalFocalCrossentropy(_Categorical, FunctionLoss):
    """Categorical cross-entropy in which samples that are already right count less (Lin et al., 2017).

    Args:
        alpha: weight of all classes, or a list with one for each.
        gamma: how strongly samples that are already right are held back; 0 for not at all.
        from_logits: whether predictions are logits.
        label_smoothing: 0 to 1; the part of each label that is spread over all classes.
        axis: of the classes.
        reduction, name, dtype: see `Loss`.
    """

    function = staticmethod(focal.categorical_focal_crossentropy)
    derivative = staticmethod(focal.categorical_focal_crossentropy_backward)
    options = ("alpha", "gamma", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction=MEAN,
        name="categorical_focal_crossentropy",
        dtype=None,
    ):
        super().__init__(name, reduction, dtype)
        self._store(from_logits, label_smoothing, axis)
        self.alpha = alpha
        self.gamma = gamma


@register("loss", "kld", "KLD", "kullback_leibler_divergence")
class KLDivergence(FunctionLoss):
    """sum(y_true log(y_true / y_pred)) over the last axis, both clipped to [epsilon, 1]."""

    function = staticmethod(crossentropy.kl_divergence)
    derivative = staticmethod(crossentropy.kl_divergence_backward)

    def __init__(self, reduction=MEAN, name="kl_divergence", dtype=None):
        super().__init__(name, reduction, dtype)
