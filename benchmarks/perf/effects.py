"""What the techniques of chapters 15 and 16 do to the accuracy of a trained digits model.

Nothing is timed here: accuracy on the 360 test images, bytes held and parameters, over 5 seeds.
"""

import copy
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from report import table

from tinytorch.benchmarking import accuracy_change_interval
from tinytorch.core.activations import ReLU
from tinytorch.core.autograd import no_grad
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.training import train
from tinytorch.datasets import load_digits
from tinytorch.models import digits_mlp
from tinytorch.perf.compression import (
    KnowledgeDistillation,
    fine_tune,
    low_rank_model,
    magnitude_prune,
    structured_prune,
    to_sparse,
)
from tinytorch.perf.quantization import quantize_model

SEEDS = range(5)
HIDDEN = 128
FINE_TUNING_EPOCHS = 20
ALL_LABELS, FEW_LABELS = 1437, 100
# Of Student's t with 4 degrees of freedom, for 95 % (Abramowitz and Stegun, table 26.10).
T_QUANTILE = 2.776


class Effect(NamedTuple):
    """A technique and the most points of accuracy that it may cost, None where no bar is set."""

    name: str
    apply: Callable[[Sequential, int], Module]
    bar: float | None = None


class Outcome(NamedTuple):
    """A model that came out: which test images it is right on, and what it takes."""

    right: np.ndarray  # (360,) of bool
    size_bytes: int
    parameters: int
    weight_bytes: int  # of the weights or their codes alone


def tables() -> list[str]:
    """Train the models (or read them from the cache), apply everything, and make the table."""
    originals: list[Outcome] = []
    outcomes: dict[str, list[Outcome]] = {effect.name: [] for effect in EFFECTS}
    for seed in SEEDS:
        sys.stderr.write(f"  seed {seed}\n")
        model = digits_mlp(HIDDEN, seed)
        originals.append(outcome(model))
        for effect in EFFECTS:
            outcomes[effect.name].append(outcome(effect.apply(model, seed)))
    rows = [row(effect, outcomes[effect.name], originals) for effect in EFFECTS]
    accuracies = [100 * original.right.mean() for original in originals]
    return [
        table(
            f"Accuracy of the digits MLP 64-{HIDDEN}-10",
            [
                "technique",
                "accuracy %",
                "change, points (over seeds)",
                "over images",
                "lost, won",
                "bar",
                "met",
                "bytes",
                "weights",
                "parameters",
            ],
            rows,
            [
                f"The model as trained is right on {np.mean(accuracies):.2f} % of the test images "
                f"({min(accuracies):.2f} to {max(accuracies):.2f} by seed); one image is "
                f"{100 / len(originals[0].right):.2f} points.",
                "The change is the mean over 5 seeds of that seed's difference; its 95 % interval "
                "is that of Student's t with 4 degrees of freedom.",
                "The interval over images is that of the images lost and won by all seeds together "
                "(Agresti and Min 2005), as if they were different images for each seed.",
                'The bar is the most that may be lost; "yes" asks the mean, "surely" the low ends '
                "of both intervals.",
                "Bytes and parameters are those of the model as trained / those held afterwards; "
                "codes and sparse weights are no parameters, since they are not trained.",
                "Weights are the bytes of the weights or codes alone: what bytes lose against it "
                "are scales and biases, 8 bytes a neuron, and the places of sparse weights.",
                f"Fine-tuning is {FINE_TUNING_EPOCHS} epochs, as many as the training was; the "
                "last row shows what these do to a model from which nothing was taken.",
            ],
        )
    ]


def row(effect: Effect, found: list[Outcome], originals: list[Outcome]) -> list[object]:
    """One line of the table."""
    pairs = list(zip(originals, found, strict=True))
    changes = np.array([100 * (b.right.mean() - a.right.mean()) for a, b in pairs])
    mean = float(changes.mean())
    half = T_QUANTILE * float(changes.std(ddof=1)) / len(changes) ** 0.5
    lost = sum(int((a.right & ~b.right).sum()) for a, b in pairs)
    won = sum(int((b.right & ~a.right).sum()) for a, b in pairs)
    images = accuracy_change_interval(lost, won, sum(len(a.right) for a in originals))
    low, high = (100 * end for end in images)
    met = "-"
    if effect.bar is not None:
        surely = min(mean - half, low) >= -effect.bar
        met = "surely" if surely else "yes" if mean >= -effect.bar else "NO"
    before, after = originals[0], found[0]
    trained = 4 * after.parameters == after.size_bytes  # codes and lists are no parameters
    return [
        effect.name,
        f"{100 * np.mean([one.right.mean() for one in found]):.2f}",
        f"{mean:+.2f} ({mean - half:+.2f}..{mean + half:+.2f})",
        f"{low:+.2f}..{high:+.2f}",
        f"{lost}, {won}",
        "-" if effect.bar is None else f"-{effect.bar:.1f}",
        met,
        f"{before.size_bytes / after.size_bytes:.2f}",
        f"{before.weight_bytes / after.weight_bytes:.2f}",
        f"{before.parameters / after.parameters:.2f}" if trained else "-",
    ]


def outcome(model: Module) -> Outcome:
    """Measure a model on the test images."""
    digits = load_digits()
    with no_grad():
        right = model(digits.X_test).numpy().argmax(axis=1) == digits.y_test
    weights = sum(map(weight_bytes, model.modules()))
    return Outcome(right, model.size_bytes(), model.count_parameters(), weights)


def weight_bytes(module: Module) -> int:
    """Bytes of the weight of one layer as it is held: numbers, codes, or values that are kept."""
    names = ("codes", "values")
    held = [array.nbytes for name, array in module.buffers().items() if name in names]
    weight = getattr(module, "weight", None)
    return sum(held) + (0 if weight is None else weight.data.nbytes)


def tuned(model: Module, seed: int) -> Module:
    """Fine-tune the model on the training images and return it."""
    digits = load_digits()
    fine_tune(model, digits.X_train, digits.y_train, epochs=FINE_TUNING_EPOCHS, seed=seed)
    return model


def student() -> Sequential:
    """The student of the distillation: an eighth of the hidden units, always the same start."""
    rng = np.random.default_rng(100)
    return Sequential(Linear(64, HIDDEN // 8, rng=rng), ReLU(), Linear(HIDDEN // 8, 10, rng=rng))


def alone(labels: int) -> Callable[[Sequential, int], Module]:
    """The student, from so many labelled images alone, in as many steps as from all of them."""

    def learn(teacher: Sequential, seed: int) -> Module:
        digits, model = load_digits(), student()
        X, y = digits.X_train[:labels], digits.y_train[:labels]
        epochs = 20 * len(digits.X_train) // len(X)
        train(model, X, y, epochs=epochs, seed=seed)
        return model

    return learn


def distilled(alpha: float) -> Callable[[Sequential, int], Module]:
    """The student, from what the teacher says of all images; with alpha 1 from nothing else."""

    def learn(teacher: Sequential, seed: int) -> Module:
        digits, model = load_digits(), student()
        labels = digits.y_train if alpha < 1 else np.zeros_like(digits.y_train)
        distillation = KnowledgeDistillation(teacher, model, temperature=3.0, alpha=alpha)
        distillation.train(digits.X_train, labels, epochs=20, seed=seed)
        return model

    return learn


def static(model: Sequential, seed: int) -> Module:
    """int8 weights and inputs, with ranges from the training images."""
    data = load_digits().X_train
    return quantize_model(model, activations="static", calibration_data=data)


EFFECTS = (
    Effect("int8, per channel", lambda m, s: quantize_model(m), 0.2),
    Effect("int8, per tensor", lambda m, s: quantize_model(m, per_channel=False)),
    Effect("int8, dynamic inputs", lambda m, s: quantize_model(m, activations="dynamic")),
    Effect("int8, static inputs", static),
    Effect("4 bits, per channel", lambda m, s: quantize_model(m, 4), 1.0),
    Effect("4 bits, per channel, MSE range", lambda m, s: quantize_model(m, 4, calibration="mse")),
    Effect("3 bits, per channel, MSE range", lambda m, s: quantize_model(m, 3, calibration="mse")),
    Effect("2 bits, per channel, MSE range", lambda m, s: quantize_model(m, 2, calibration="mse")),
    Effect("80 % pruned, CSR", lambda m, s: to_sparse(magnitude_prune(m, 0.8))),
    Effect(
        "80 % pruned, fine-tuned, CSR",
        lambda m, s: to_sparse(tuned(magnitude_prune(m, 0.8), s)),
        1.0,
    ),
    Effect(
        "80 % pruned, fine-tuned, 8 bits, bit map",
        lambda m, s: to_sparse(quantize_model(tuned(magnitude_prune(m, 0.8), s)), "bitmap"),
    ),
    Effect("half the neurons", lambda m, s: structured_prune(m, 0.5)),
    Effect("half the neurons, fine-tuned", lambda m, s: tuned(structured_prune(m, 0.5), s), 1.0),
    Effect(
        "half the neurons, fine-tuned, 8 bits",
        lambda m, s: quantize_model(tuned(structured_prune(m, 0.5), s)),
    ),
    Effect("rank 32 of 64, fine-tuned", lambda m, s: tuned(low_rank_model(m, 0.5), s)),
    Effect("an eighth of the neurons, all labels", alone(ALL_LABELS)),
    Effect("an eighth of the neurons, all labels and the teacher", distilled(0.7)),
    Effect(f"an eighth of the neurons, {FEW_LABELS} labels", alone(FEW_LABELS)),
    Effect("an eighth of the neurons, the teacher, no labels", distilled(1.0)),
    Effect("nothing taken, fine-tuned", lambda m, s: tuned(copy.deepcopy(m), s)),
)
