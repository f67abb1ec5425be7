"""The entrance: which kind of batches the user's data makes."""

from kerasette.data.batches import ArrayBatches, Batches, OneBatch
from kerasette.data.convert import is_arraylike
from kerasette.data.intake import Intake
from kerasette.data.signature import Signature
from kerasette.data.streams import StreamBatches
from kerasette.errors import one_of, positive_int, value_error

BATCH_SIZE = 32


def brings_batches(x) -> bool:
    """Tells whether `x` yields batches (generator, sequence of batches, data loader) rather than rows."""
    if isinstance(x, (list, tuple, dict, set, str, bytes)) or is_arraylike(x):
        return False
    return (
        hasattr(x, "__iter__")
        or hasattr(x, "__next__")
        or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))
    )


def make_batches(
    x,
    y=None,
    sample_weight=None,
    *,
    signature: Signature,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict | None = None,
    steps: int | None = None,
    needs_y: bool = True,
    allow_nonfinite: bool = False,
    who: str = "fit",
) -> Batches:
    """Returns the batches of `x`, `y` and `sample_weight` for a model with `signature`.

    Arrays in memory are checked as a whole before anything comes out; what is read from files or comes from
    generators is checked as it comes. An h5py dataset or memory map is never loaded whole (sample weights,
    one number a row, are).

    Args:
        x: array, list of numbers or rows, DataFrame, Series, tensor, h5py dataset, memory map; a list or a
            dict by name of those for several inputs; or batches: a generator, an iterable or a sequence of
            (x,), (x, y) or (x, y, sample_weight).
        y: targets in the same forms, one for each output; None where `x` brings batches.
        sample_weight: one weight a row, for all outputs or one array for each.
        signature: what the model takes and gives.
        batch_size: rows a batch, 32 by default; no matter where `x` brings batches.
        shuffle: True draws new places for the rows each epoch (for the batches, where `x` is a sequence of
            them); "batch" moves whole batches, which suits files.
        class_weight: dict of class to factor, for models with one output.
        steps: batches an epoch; by default all.
        needs_y: False leaves targets and weights out, and lets 0 rows pass.
        allow_nonfinite: lets NaN and infinity pass.
        who: who asks, for messages.

    Raises:
        InvalidValue, InvalidType: for data that doesn't fit the model or itself.

    >>> signature = Signature(["x"], [(2,)], ["float32"], ["y"], [(1,)], [None])
    >>> for xs, ys, ws in make_batches([[1, 2], [3, 4], [5, 6]], signature=signature, batch_size=2).epoch():
    ...     print(xs[0].tolist())
    [[1.0, 2.0], [3.0, 4.0]]
    [[5.0, 6.0]]
    """
    batch_size = BATCH_SIZE if batch_size is None else positive_int(who, "batch_size", batch_size)
    one_of(who, "shuffle", shuffle, (False, True, "batch"))
    if x is None:
        raise value_error(
            f"{who}: x is missing.", "Give the inputs: an array, a list, a dict or a generator."
        )
    if not needs_y and steps is None and OneBatch.suits(x, signature, batch_size):
        return OneBatch(x, len(signature.output_names))
    intake = Intake(signature, class_weight, needs_y, allow_nonfinite, who)
    if not brings_batches(x):
        return ArrayBatches(*intake.columns(x, y, sample_weight), batch_size, shuffle, steps, who)
    if y is not None or sample_weight is not None:
        extra = "y" if y is not None else "sample_weight"
        raise value_error(
            f"{who}: {extra} was given beside x of type {type(x).__name__}, which brings its own.",
            "Let it yield (x, y) or (x, y, sample_weight).",
        )
    return StreamBatches(x, intake, shuffle, steps)
