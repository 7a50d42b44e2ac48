"""The tail of Student's t distribution, which neither Python nor NumPy brings."""

import math

TINY = 1e-300


def two_sided_t(t: float, degrees_of_freedom: float) -> float:
    """The probability that Student's t is at least as far from 0 as `t`.

    It is the regularised incomplete beta function I_x(v/2, 1/2) at x = v / (v + t^2), v being the
    degrees of freedom, which need not be whole.
    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.1 and 26.5.27.
    Raises ValueError unless t is finite and v is a finite number above 0.

    >>> round(two_sided_t(2.228, 10), 4)
    0.05
    """
    v = degrees_of_freedom
    if not math.isfinite(t) or not 0 < v < math.inf:
        raise ValueError(f"Expected a finite t and degrees of freedom above 0, got {t} and {v}.")
    a, b = v / 2, 0.5
    x, y = v / (v + t * t), t * t / (v + t * t)  # y = 1 - x, without its cancellation
    if y == 0:
        return 1.0
    if x == 0:
        return 0.0
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    )
    front = math.exp(log_front)
    # The fraction converges fast on one side of the mean; the other side is its complement.
    if x < (a + 1) / (a + b + 2):
        return front * beta_fraction(a, b, x) / a
    return 1 - front * beta_fraction(b, a, y) / b


def beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by the method of Lentz.

    Source: Press et al., Numerical Recipes, 3rd ed., section 6.4; Abramowitz and Stegun 26.5.8.
    Raises ArithmeticError when it has not settled after 10 000 terms.
    """
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for numerator in (even, odd):
            d = 1 / _not_zero(1 + numerator * d)
            c = _not_zero(1 + numerator / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            return value
    raise ArithmeticError(f"the incomplete beta function did not settle for {a}, {b}, {x}")


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
