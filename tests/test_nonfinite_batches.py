"""Single batches with NaN: refused under the method's own name, or let through."""

import numpy as np
import pytest

from kerasette import Input, Sequential, layers
from kerasette.errors import InvalidValue

X, Y = np.array([[1.0, np.nan]]), np.ones((1, 1))


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch", "predict_on_batch"])
def test_single_batches_may_hold_nan_where_that_is_allowed(method):
    model = Sequential([Input((2,)), layers.Dense(1)]).compile("mse", "sgd")
    given = (X,) if method == "predict_on_batch" else (X, Y)
    with pytest.raises(InvalidValue, match=f"^{method}: x has 1 NaN.*pass allow_nonfinite=True"):
        getattr(model, method)(*given)
    assert np.isnan(getattr(model, method)(*given, allow_nonfinite=True)).all()
