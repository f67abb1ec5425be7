"""Category numbers to vectors."""

from kerasette.backend import xp_of
from kerasette.errors import value_error


def whole_numbers(x, limit, owner):
    """Returns `x` as int64, checked.

    Raises:
        InvalidValue: where a number isn't whole, is negative, or is `limit` or more.
    """
    xp = xp_of(x)
    numbers = x if x.dtype.kind in "iu" else xp.rint(x)
    if x.dtype.kind == "f" and bool((numbers != x).any()):
        raise value_error(f"{owner} needs whole numbers, got fractions (or NaN). Round them first.")
    if x.size and (int(numbers.min()) < 0 or int(numbers.max()) >= limit):
        raise value_error(
            f"{owner} takes numbers from 0 to {limit - 1}, got {int(numbers.min())} to {int(numbers.max())}.",
            "Renumber the categories, or raise num_tokens.",
        )
    return numbers.astype("int64")


def one_hot(numbers, tokens, dtype):
    """Returns an array (..., tokens) with a 1 at each of the `numbers` (...)."""
    xp = xp_of(numbers)
    y = xp.zeros(numbers.size * tokens, dtype)
    y[xp.arange(numbers.size) * tokens + numbers.reshape(-1)] = 1.0
    return y.reshape(*numbers.shape, tokens)


def count_tokens(numbers, weights=None, *, tokens, dtype=None):
    """Counts in each row how often each token occurs.

    Args:
        numbers: (..., L) whole numbers from 0 to `tokens` - 1.
        weights: like `numbers`: what each of them counts; 1 unless given.
        tokens: how many there are.
        dtype: of the result; that of the weights unless given.

    Returns:
        y (..., tokens), and the numbers: the cache for `count_tokens_backward`.
    """
    xp = xp_of(numbers)
    rows = numbers.size // max(1, numbers.shape[-1])
    places = numbers.reshape(rows, numbers.shape[-1]) + xp.arange(rows)[:, None] * tokens
    dtype = weights.dtype if dtype is None else dtype
    weights = None if weights is None else weights.reshape(-1)
    counts = xp.bincount(places.reshape(-1), weights, minlength=rows * tokens)
    return counts.astype(dtype).reshape(*numbers.shape[:-1], tokens), numbers


def count_tokens_backward(dy, numbers):
    """Returns the gradient with respect to the weights: dy at each token's place."""
    return xp_of(dy).take_along_axis(dy, numbers, axis=-1)
