"""Knowledge distillation: a small model learns what a large one thinks of every class."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.activations import log_softmax, log_softmax_array
from tinytorch.core.autograd import no_grad
from tinytorch.core.data import DataLoader, TensorDataset
from tinytorch.core.losses import cross_entropy
from tinytorch.core.module import Module
from tinytorch.core.optimizers import Adam
from tinytorch.core.tensor import Float32Array, Tensor, as_float32, as_tensor


class KnowledgeDistillation:
    """Trains ``student`` on the labels and on the softened predictions of ``teacher``.

    loss = alpha T^2 KL(softmax(teacher / T) || softmax(student / T))
    + (1 - alpha) cross_entropy(student, labels), with T the ``temperature``.
    A temperature above 1 lets the small probabilities show which classes look alike; T^2 keeps the
    gradients of the first term as large as those of the second.
    Source: Hinton, Vinyals, Dean 2015, Distilling the Knowledge in a Neural Network, section 2.
    Raises TypeError for what is no Module, ValueError for a temperature that is not positive and
    an alpha outside [0, 1].
    """

    def __init__(
        self, teacher: Module, student: Module, temperature: float = 3.0, alpha: float = 0.7
    ) -> None:
        for name, model in (("teacher", teacher), ("student", student)):
            if not isinstance(model, Module):
                raise TypeError(f"expected a Module as {name}, got {type(model).__name__}")
        if not (temperature > 0 and math.isfinite(temperature)):
            raise ValueError(f"expected a finite temperature above 0, got {temperature}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"expected alpha in [0, 1], got {alpha}")
        self.teacher, self.student = teacher, student
        self.temperature, self.alpha = temperature, alpha

    def distillation_loss(
        self, student_logits: Tensor, teacher_logits: Tensor | ArrayLike, true_labels: ArrayLike
    ) -> Tensor:
        """Return the loss as a tensor without axes, for logits (N, C) and labels (N,).

        Only the student's logits receive a gradient.
        Raises ValueError for logits of different shapes, and as ``cross_entropy``.
        """
        soft = soft_loss(student_logits, teacher_logits, self.temperature)
        hard = cross_entropy(student_logits, true_labels)
        return soft * self.alpha + hard * (1 - self.alpha)

    def train(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int,
        batch_size: int = 32,
        lr: float = 3e-3,
        seed: int = 0,
    ) -> list[float]:
        """Train the student in place by Adam and return the mean loss of each epoch.

        ``X`` is (N, ...), ``y`` is (N,) of integer labels; the teacher is asked once, before.
        Raises ValueError for lengths that differ and epochs below 1, FloatingPointError when the
        loss becomes NaN or infinite.
        """
        if epochs < 1:
            raise ValueError(f"expected epochs from 1, got {epochs}")
        inputs = as_float32(X)
        if np.isnan(inputs).any():
            raise ValueError("expected X without NaN, which would make every weight NaN")
        data = TensorDataset(inputs, y, self.teacher_logits(inputs))
        loader = DataLoader(data, batch_size, shuffle=True, seed=seed)
        optimizer = Adam(self.student.parameters(), lr)
        was_training = self.student.training
        self.student.train()
        try:
            losses = [self._run_epoch(loader, optimizer) for _ in range(epochs)]
        finally:
            self.student.train(was_training)
        return losses

    def teacher_logits(self, X: ArrayLike) -> Float32Array:
        """Return what the teacher says of ``X`` (N, ...): logits (N, C), without dropout."""
        was_training = self.teacher.training
        self.teacher.eval()
        try:
            with no_grad():
                logits: Tensor = self.teacher(as_tensor(X))
        finally:
            self.teacher.train(was_training)
        return logits.data

    def _run_epoch(self, loader: DataLoader, optimizer: Adam) -> float:
        total, count = 0.0, 0
        for inputs, labels, teacher_logits in loader:
            optimizer.zero_grad()
            loss = self.distillation_loss(self.student(Tensor(inputs)), teacher_logits, labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)  # the last batch may be smaller
            count += len(inputs)
        if not math.isfinite(total):
            raise FloatingPointError(f"loss became {total / count}; check the data or lower lr")
        return total / count


def soft_loss(
    student_logits: Tensor, teacher_logits: Tensor | ArrayLike, temperature: float
) -> Tensor:
    """Return T^2 KL(p || q), the mean over the rows, of p and q = softmax(logits / T).

    Both logits are (N, C), p is the teacher's; 0 when they say the same.
    Raises ValueError for shapes that differ or are not (N, C), and for a temperature that is not
    positive and finite.

    >>> soft_loss(Tensor([[1.0, 2.0]]), [[1.0, 2.0]], temperature=2.0).item()
    0.0
    """
    teacher, T = as_tensor(teacher_logits), temperature
    if not (T > 0 and math.isfinite(T)):
        raise ValueError(f"expected a finite temperature above 0, got {T}")
    if student_logits.shape != teacher.shape or teacher.ndim != 2:
        shapes = f"{student_logits.shape} and {teacher.shape}"
        raise ValueError(f"expected logits (N, C) of one shape, got {shapes}")
    log_p = log_softmax_array(teacher.data / np.float32(T))  # (N, C)
    log_q = log_softmax(student_logits * (1 / T))  # (N, C)
    divergence = ((Tensor(log_p) - log_q) * Tensor(np.exp(log_p))).sum()
    return divergence * (T * T / len(log_p))
