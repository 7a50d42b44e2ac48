"""Laws of distillation: the published loss with its gradient, and a student that learns by it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinytorch.core.activations import ReLU
from tinytorch.core.dropout import Dropout
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import cross_entropy
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import train
from tinytorch.perf.compression import KnowledgeDistillation, soft_loss

logits = arrays(np.float32, (4, 3), elements=st.floats(-20, 20, width=32))
temperatures = st.floats(0.5, 20)


def probabilities(z, T):
    z = np.exp((z - z.max(axis=1, keepdims=True)).astype(np.float64) / T)
    return z / z.sum(axis=1, keepdims=True)


def mlp(hidden, seed):
    rng = np.random.default_rng(seed)
    return Sequential(Linear(6, hidden, rng=rng), ReLU(), Linear(hidden, 3, rng=rng))


@given(logits, logits, temperatures)
def test_the_soft_loss_is_hintons(student, teacher, T):
    """T^2 KL(p || q), at least 0, and 0 for equal logits."""
    p, q = probabilities(teacher, T), probabilities(student, T)
    expected = T**2 * (p * (np.log(p) - np.log(q))).sum(axis=1).mean()
    found = soft_loss(Tensor(student), teacher, T).item()
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert soft_loss(Tensor(student), student, T).item() == pytest.approx(0, abs=1e-4)


@given(logits, logits, temperatures)
def test_its_gradient_is_the_difference_of_the_probabilities(student, teacher, T):
    """T (q - p) / N, equation 2 of the paper times T^2."""
    z = Tensor(student, requires_grad=True)
    soft_loss(z, teacher, T).backward()
    expected = T * (probabilities(student, T) - probabilities(teacher, T)) / len(student)
    np.testing.assert_allclose(z.grad, expected, rtol=1e-3, atol=1e-4)


def test_alpha_mixes_the_two_losses():
    """0 is the labels alone, 1 the teacher alone, and in between a weighted sum."""
    z, teacher, labels = Tensor([[1.0, 2.0, 0.0]]), np.array([[0.0, 3.0, 1.0]]), [1]
    hard, soft = cross_entropy(z, labels).item(), soft_loss(z, teacher, 2.0).item()
    for alpha in (0.0, 0.3, 1.0):
        distillation = KnowledgeDistillation(mlp(4, 0), mlp(2, 1), 2.0, alpha)
        found = distillation.distillation_loss(z, teacher, labels).item()
        assert found == pytest.approx(alpha * soft + (1 - alpha) * hard, rel=1e-6)


def test_a_student_learns_from_the_teacher_alone():
    """With alpha 1 the labels may be wrong: it follows the teacher, who does not change."""
    X = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    y = X[:, :3].argmax(axis=1)
    teacher, student = mlp(32, 0), mlp(6, 1)
    train(teacher, X, y, epochs=30)
    teacher.zero_grad()
    before = teacher.state_dict()
    distillation = KnowledgeDistillation(teacher, student, temperature=2.0, alpha=1.0)
    losses = distillation.train(X, np.zeros(300, dtype=int), epochs=40)
    assert losses[-1] < 0.3 * losses[0]
    agree = student(X).numpy().argmax(axis=1) == teacher(X).numpy().argmax(axis=1)
    assert agree.mean() > 0.85
    for name, array in teacher.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_same_seed_gives_the_same_student():
    """Batches are drawn by the seed, and a teacher in training mode is asked without dropout."""
    X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    teacher = Sequential(Linear(6, 3, rng=np.random.default_rng(2)), Dropout(0.5))
    students = [mlp(4, 1), mlp(4, 1)]
    for student in students:
        KnowledgeDistillation(teacher, student).train(X, np.zeros(40, dtype=int), epochs=2, seed=3)
    for a, b in zip(students[0].parameters(), students[1].parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    assert teacher.training


def test_refusals():
    """Arguments out of range, logits that do not fit, and a loss that is no number."""
    teacher, student = mlp(4, 0), mlp(2, 1)
    for temperature in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="finite temperature above 0"):
            KnowledgeDistillation(teacher, student, temperature)
    for alpha in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"alpha in \[0, 1\]"):
            KnowledgeDistillation(teacher, student, alpha=alpha)
    with pytest.raises(TypeError, match="expected a Module as student, got str"):
        KnowledgeDistillation(teacher, "student")
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3\) and \(1, 2\)"):
        soft_loss(Tensor(np.ones((1, 3))), np.ones((1, 2)), 1.0)
    X, y = np.ones((2, 6)), np.zeros(2, dtype=int)
    with pytest.raises(ValueError, match="epochs from 1, got 0"):
        KnowledgeDistillation(teacher, student).train(X, y, epochs=0)
    with pytest.raises(ValueError, match="one length"):
        KnowledgeDistillation(teacher, student).train(X, y[:1], epochs=1)
    student.layers[0].weight.data[:] = np.nan
    with pytest.raises(FloatingPointError, match="loss became nan"):
        KnowledgeDistillation(teacher, student).train(X, y, epochs=1)
