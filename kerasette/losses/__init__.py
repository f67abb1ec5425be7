"""Losses, under Keras's names: classes for compile(), and plain functions of arrays.

>>> get("mse").name, get("MeanSquaredError").name, get(mse).name
('mean_squared_error', 'mean_squared_error', 'mean_squared_error')
"""

from collections.abc import Callable

from kerasette import registry
from kerasette.errors import no_attribute, type_error, value_error
from kerasette.functions.values import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    dice,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
    tversky,
)
from kerasette.losses import by_shape
from kerasette.losses.base import Loss
from kerasette.losses.margins import CategoricalHinge, Hinge, SquaredHinge
from kerasette.losses.overlap import Dice, Tversky
from kerasette.losses.probabilistic import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from kerasette.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
)

bce = BCE = binary_crossentropy
kld = KLD = kl_divergence
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
mse = MSE = mean_squared_error
msle = MSLE = mean_squared_logarithmic_error
logcosh = log_cosh

_CLASSES = {  # function -> the class with its backward
    binary_crossentropy: BinaryCrossentropy,
    binary_focal_crossentropy: BinaryFocalCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    categorical_focal_crossentropy: CategoricalFocalCrossentropy,
    categorical_hinge: CategoricalHinge,
    cosine_similarity: CosineSimilarity,
    dice: Dice,
    hinge: Hinge,
    huber: Huber,
    kl_divergence: KLDivergence,
    log_cosh: LogCosh,
    mean_absolute_error: MeanAbsoluteError,
    mean_absolute_percentage_error: MeanAbsolutePercentageError,
    mean_squared_error: MeanSquaredError,
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
    poisson: Poisson,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    squared_hinge: SquaredHinge,
    tversky: Tversky,
}


def get(identifier, custom_objects: dict | None = None) -> Loss | Callable | None:
    """Returns the Loss for a name, a function of this module, a config, a class or a Loss; None for None.

    A function of one's own comes back as it is, as in Keras; `compile` finds its gradient.

    Raises:
        InvalidValue: for an unknown name, with the nearest one.
        InvalidType: for what is no loss, or a Loss without forward and backward, or call.
    """
    if isinstance(identifier, dict):
        identifier = deserialize(identifier, custom_objects)
    elif isinstance(identifier, str):
        identifier = _named(identifier, custom_objects)
    if callable(identifier) and not isinstance(identifier, (type, Loss)):
        identifier = _CLASSES.get(identifier, identifier)
    loss = identifier() if isinstance(identifier, type) else identifier
    if loss is None:
        return None
    if not isinstance(loss, Loss):
        if callable(loss):
            return loss
        raise type_error(f"A loss is a name, a function, a config or a Loss; got {type(loss).__name__}.")
    lacks = [name for name in ("forward", "backward") if getattr(type(loss), name) is getattr(Loss, name)]
    if lacks and (len(lacks) == 1 or type(loss).call is Loss.call):
        raise type_error(
            f"The loss '{type(loss).__name__}' has no {lacks[0]}, so nothing can be trained with it.",
            "Define call(self, y_true, y_pred) with kerasette.ops, or "
            "forward(self, y_true, y_pred) -> (losses, cache) and backward(self, dlosses, cache) -> dy_pred.",
        )
    return loss


def _named(name, custom_objects):
    """Returns the loss of that name; "crossentropy" alone is any of three, as the shapes of a model tell."""
    plain = name.lower().replace("_", "")
    own = name in (custom_objects or {}) or registry.is_known("loss", name)
    if plain in ("crossentropy", "ce", "xent") and not own:
        raise value_error(
            f"The loss '{name}' goes by shapes that only compile() sees."
            if by_shape.is_by_shape(name)
            else f"Unknown loss '{name}'. Did you mean 'crossentropy'?",
            "Otherwise name 'sparse_categorical_crossentropy' (targets are class numbers),",
            "'categorical_crossentropy' (one column a class) or 'binary_crossentropy' (0 or 1).",
        )
    return registry.find("loss", name, custom_objects)


def choose(identifier, output_shape) -> Loss | Callable | None:
    """Returns the Loss for `identifier` as `get` does, where "crossentropy" and "ce" go by the shapes.

    Args:
        identifier: see `get`.
        output_shape: of the predictions for one sample. One column calls for binary cross-entropy; else the
            targets decide, once they come, between class numbers and one column a class.
    """
    if by_shape.is_by_shape(identifier):
        return by_shape.loss_by_shape(identifier, output_shape)
    return get(identifier)


def serialize(loss):
    """Returns the configuration of a Loss, or the name of a function."""
    return registry.serialize(loss)


def deserialize(name, custom_objects: dict | None = None):
    """Returns the Loss that a configuration (or a name) describes."""
    return registry.resolve("loss", name, custom_objects)


def __getattr__(name):
    raise no_attribute(__name__, name, [own for own in globals() if not own.startswith("_")])
