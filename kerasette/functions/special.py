"""Special functions that NumPy lacks."""

from kerasette.backend import xp_of

# Coefficients, highest power first.
_SHORT_TOP = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
_SHORT_BOTTOM = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)
_NEAR_TOP = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_NEAR_BOTTOM = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
_MIDDLE_TOP = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_MIDDLE_BOTTOM = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
_NEAR = 0.46875  # up to here erf has its own quotient, which keeps the relative error of small values
_FULL = 6.0  # from here on erf is 1 in float64


def erf(x):
    """Computes the error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    float64 follows the rational approximations of W. J. Cody (Mathematics of Computation 23, 1969) to about
    2e-16. Other types use the one quotient that Eigen and XLA have for float32, to about 4e-7.

    Args:
        x: array of any shape.

    Returns:
        erf(x) in the shape and dtype of `x`.
    """
    xp = xp_of(x)
    if x.dtype.itemsize < 8:
        x = xp.clip(x, -4.0, 4.0)
        square = x * x
        return x * _polynomial(_SHORT_TOP, square) / _polynomial(_SHORT_BOTTOM, square)
    small = xp.clip(x, -_NEAR, _NEAR)
    square = small * small
    near = small * _polynomial(_NEAR_TOP, square) / _polynomial(_NEAR_BOTTOM, square)
    size = xp.clip(abs(x), _NEAR, _FULL)
    quotient = _polynomial(_MIDDLE_TOP, size) / _polynomial(_MIDDLE_BOTTOM, size)
    far = xp.copysign(1.0 - xp.exp(-size * size) * quotient, x)
    return xp.where(abs(x) <= _NEAR, near, far)


def _polynomial(coefficients, x):
    """Returns the polynomial in `x` by Horner's rule."""
    value = coefficients[0] * x
    for coefficient in coefficients[1:-1]:
        value += coefficient
        value *= x
    value += coefficients[-1]
    return value
