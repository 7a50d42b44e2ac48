"""Laws of the optimisers: equal to independent float64 loops written from the formulas."""

import numpy as np
import pytest

from tinytorch.core.optimizers import SGD, Adam, AdamW, Optimizer
from tinytorch.core.tensor import Tensor

STEPS = 25


def gradients(seed=0):
    """Return one gradient per step, (STEPS, 3, 2), of very different sizes."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(STEPS, 3, 2)) * 10.0 ** rng.integers(-3, 3, size=(STEPS, 1, 1))


def run(make):
    """Return the parameter after feeding the gradients to the optimiser."""
    parameter = Tensor(np.ones((3, 2)), requires_grad=True)
    held = parameter.data
    optimizer = make([parameter])
    for gradient in gradients():
        parameter.grad = gradient.astype(np.float32)
        kept = parameter.grad.copy()
        optimizer.step()
        np.testing.assert_array_equal(parameter.grad, kept)  # step() must not write into it
    assert parameter.data is held
    assert parameter.dtype == np.float32
    return parameter.data


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.8), (0.0, 0.0)])
@pytest.mark.parametrize("eps", [1e-8, 1e-2])
def test_adam_equals_the_published_algorithm(betas, eps):
    """Algorithm 1 of Kingma and Ba, line by line in float64."""
    theta, m, v = np.ones((3, 2)), np.zeros((3, 2)), np.zeros((3, 2))
    for t, g in enumerate(gradients(), start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat = m / (1 - betas[0] ** t)
        v_hat = v / (1 - betas[1] ** t)
        theta = theta - 0.05 * m_hat / (np.sqrt(v_hat) + eps)
    actual = run(lambda p: Adam(p, lr=0.05, betas=betas, eps=eps))
    np.testing.assert_allclose(actual, theta, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adamw_equals_the_published_algorithm(weight_decay):
    """Algorithm 2 of Loshchilov and Hutter with PyTorch's decay by lr, line by line in float64."""
    theta, m, v = np.ones((3, 2)), np.zeros((3, 2)), np.zeros((3, 2))
    for t, g in enumerate(gradients(), start=1):
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
        theta = theta - 0.05 * step - 0.05 * weight_decay * theta
    actual = run(lambda p: AdamW(p, lr=0.05, betas=(0.9, 0.99), weight_decay=weight_decay))
    np.testing.assert_allclose(actual, theta, rtol=1e-4, atol=1e-5)


def test_decay_is_decoupled_from_the_gradient():
    """Two weights with gradients of very different size shrink by the same factor."""
    parameter = Tensor([1.0, 1.0], requires_grad=True)
    optimizer = AdamW([parameter], lr=0.01, weight_decay=1.0, eps=1e-3)
    for _ in range(10):
        parameter.grad = np.array([0.0, 1e-9], dtype=np.float32)
        optimizer.step()
    np.testing.assert_allclose(parameter.data, 0.99**10, rtol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_sgd_equals_the_definition(momentum, weight_decay):
    """PyTorch's rule: decay joins the gradient, velocity starts as the first gradient."""
    theta, velocity = np.ones((3, 2)), None
    for g in gradients():
        d = g + weight_decay * theta
        velocity = d if velocity is None else momentum * velocity + d
        theta = theta - 0.01 * velocity
    actual = run(lambda p: SGD(p, lr=0.01, momentum=momentum, weight_decay=weight_decay))
    np.testing.assert_allclose(actual, theta, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, momentum=0.9), lambda p: Adam(p, 0.1)])
def test_a_skipped_parameter_does_not_age(make):
    """Steps without a gradient leave value and state as if they had not happened."""
    a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = make([a, b])
    a.grad = np.ones(1, dtype=np.float32)
    for _ in range(3):
        optimizer.step()
    assert b.item() == 1.0
    b.grad, a.grad = a.grad, None
    for _ in range(3):
        optimizer.step()
    assert a.item() == b.item() < 1.0


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1), lambda p: Adam(p, 0.1)])
def test_a_parabola_is_descended(make):
    """The minimum of (x - 3)^2 is found."""
    x = Tensor([0.0], requires_grad=True)
    optimizer = make([x])
    for _ in range(300):
        optimizer.zero_grad()
        ((x - 3) ** 2).sum().backward()
        optimizer.step()
    assert x.item() == pytest.approx(3.0, abs=1e-2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD(p, lr=0.0), "finite lr above 0, got 0.0"),
        (lambda p: SGD(p, lr=float("nan")), "finite lr above 0, got nan"),
        (lambda p: SGD(p, lr=float("inf")), "finite lr above 0, got inf"),
        (lambda p: SGD(p, lr=1, momentum=1.0), r"momentum in \[0, 1\), got 1.0"),
        (lambda p: SGD(p, lr=1, weight_decay=-1.0), "weight_decay at least 0, got -1.0"),
        (lambda p: Adam(p, lr=-1.0), "lr above 0, got -1.0"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), r"beta in \[0, 1\), got 1.0"),
        (lambda p: Adam(p, eps=0.0), "eps above 0, got 0.0"),
        (lambda p: AdamW(p, weight_decay=-0.1), "weight_decay at least 0, got -0.1"),
        (lambda p: SGD([], lr=1), "at least one parameter"),
        (lambda p: SGD([*p, *p], lr=1), "each parameter once"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    """Each setting has its range, and NaN is in none."""
    with pytest.raises(ValueError, match=message):
        make([Tensor([1.0], requires_grad=True)])


@pytest.mark.parametrize("parameter", [Tensor([1.0]), np.ones(1), None])
def test_what_is_no_parameter_is_refused(parameter):
    """A constant would never change, which is never meant."""
    with pytest.raises(TypeError, match="parameter 1 to be a tensor requiring grad"):
        SGD([Tensor([1.0], requires_grad=True), parameter], lr=1)


def test_the_base_class_updates_nothing():
    """A subclass without a rule says so."""
    p = Tensor([1.0], requires_grad=True)
    p.grad = p.data
    with pytest.raises(NotImplementedError, match="Optimizer defines no _update"):
        Optimizer([p], lr=1).step()
