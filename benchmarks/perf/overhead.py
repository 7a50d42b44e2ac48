"""What `Tensor` and `Module` cost beside the same arithmetic written directly in NumPy."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from report import interval, table

from tinytorch.benchmarking import Latency, RatioInterval, median_ratio_interval, time_interleaved
from tinytorch.core.activations import ReLU
from tinytorch.core.autograd import no_grad
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import cross_entropy
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor

Work = Callable[[], object]
Arms = dict[str, Work]

SEED = 0
LR = 1e-3
BETAS, EPS = (0.9, 0.999), 1e-8
IMPORTS = 15
RAW = "NumPy"


def tables() -> list[str]:
    """Measure now and return one block a subject."""
    blocks = []
    for subject in (calls, steps, imports):
        sys.stderr.write(f"  {subject.__name__}\n")
        blocks.append(subject())
    return blocks


def calls() -> str:
    """The forward pass of a network so small that its arithmetic is next to nothing."""
    rows = []
    for sizes, batch in (((10, 20, 3), 1), ((10, 20, 3), 32), ((784, 256, 10), 1)):
        model, x = mlp(sizes), random(batch, sizes[0])
        arms: Arms = {
            RAW: partial(forward, weights_of(model), x),
            "`Module`, under `no_grad`": under_no_grad(model, Tensor(x)),
            "`Module`, recording": partial(model, Tensor(x)),
        }
        require_equal([np.asarray(arm()) for arm in arms.values()])
        times = timed(arms, 200)
        for name, latency in times.items():
            microseconds = 1e3 * latency.median_ms
            extra = 1e3 * (latency.samples_ms - times[RAW].samples_ms)
            low, middle, high = np.percentile(extra, [25, 50, 75])
            rows.append(
                [
                    "-".join(map(str, sizes)),
                    batch,
                    name,
                    f"{microseconds:.2f}",
                    "0" if name == RAW else f"{middle:.2f} ({low:.2f}..{high:.2f})",
                    "1" if name == RAW else interval(over(times[RAW], latency)),
                ]
            )
    return table(
        "One forward pass",
        ["network", "batch", "how", "us", "us over NumPy (quartiles)", "speed / NumPy"],
        rows,
        [f"{RAW} is `np.maximum(x @ W1 + b1, 0) @ W2 + b2`, without any check of its input."],
    )


def steps() -> str:
    """One training step: forward, cross entropy, gradients, optimiser."""
    rows = []
    for batch in (16, 64, 256):
        for optimizer in (SGD, Adam):
            ours, theirs = mlp((784, 256, 10)), weights_of(mlp((784, 256, 10)))
            X, y = random(batch, 784), np.random.default_rng(SEED).integers(10, size=batch)
            arms: Arms = {
                RAW: direct_step(theirs, X, y, optimizer),
                "ours": library_step(ours, X, y, optimizer),
            }
            for arm in arms.values():
                for _ in range(3):
                    arm()
            for parameter, array in zip(ours.parameters(), theirs, strict=True):
                require_equal([parameter.data, array])
            times = timed(arms, 60)
            gap = over(times["ours"], times[RAW])
            rows.append(
                [
                    batch,
                    optimizer.__name__,
                    f"{times[RAW].median_ms:.3f}",
                    f"{times['ours'].median_ms:.3f}",
                    interval(gap),
                ]
            )
    return table(
        "One training step of 784-256-10",
        ["batch", "optimiser", "ms NumPy", "ms ours", "times longer than NumPy"],
        rows,
        [
            "NumPy is the same step with its gradients written out by hand, in place where we are.",
            "After three steps both hold the same weights.",
        ],
    )


def imports() -> str:
    """`import tinytorch` in fresh processes, in turn with `import numpy` alone."""
    statements = {
        RAW: "import numpy",
        "tinytorch": "import numpy, tinytorch",
        "tinytorch.core.transformer": "import numpy, tinytorch.core.transformer",
        "tinytorch.models": "import numpy, tinytorch.models",
        "tinytorch.perf.memoization": "import numpy, tinytorch.perf.memoization",
    }
    samples: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(IMPORTS):
        for name, statement in statements.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            samples[name].append(1e3 * (time.perf_counter() - started))
    rows = []
    for name in statements:
        extra = np.array(samples[name]) - np.array(samples[RAW])
        low, middle, high = np.percentile(extra, [25, 50, 75])
        beyond = "0" if name == RAW else f"{middle:.0f} ({low:.0f}..{high:.0f})"
        rows.append([f"`{name}`", f"{np.median(samples[name]):.0f}", beyond])
    return table(
        "Import",
        ["package", "ms of a process", "ms beyond NumPy's (quartiles)"],
        rows,
        [f"{IMPORTS} fresh processes each, interleaved; starting Python is in both."],
    )


def forward(weights: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """The network as a NumPy expression."""
    W1, b1, W2, b2 = weights
    return np.maximum(x @ W1 + b1, 0) @ W2 + b2


def direct_step(weights: list[np.ndarray], X: np.ndarray, y: np.ndarray, kind: type) -> Work:
    """The training step by hand, updating ``weights`` in place."""
    W1, b1, W2, b2 = weights
    rows, N = np.arange(len(X)), len(X)
    state = [(np.zeros_like(w), np.zeros_like(w), np.empty_like(w)) for w in weights]
    count = 0

    def step() -> float:
        nonlocal count
        count += 1
        hidden = X @ W1
        hidden += b1
        np.maximum(hidden, 0, out=hidden)
        logits = hidden @ W2
        logits += b2
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -logits[rows, y].mean()
        slope = np.exp(logits)
        slope[rows, y] -= 1
        slope /= N
        back = slope @ W2.T
        back *= hidden > 0
        gradients = [X.T @ back, back.sum(axis=0), hidden.T @ slope, slope.sum(axis=0)]
        for w, g, (m, v, work) in zip(weights, gradients, state, strict=True):
            if kind is SGD:
                w -= LR * g
            else:
                adam(w, g, m, v, work, count)
        return float(loss)

    return step


def adam(
    w: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, work: np.ndarray, t: int
) -> None:
    """One update of Adam in place."""
    m *= BETAS[0]
    m += np.multiply(g, 1 - BETAS[0], out=work)
    v *= BETAS[1]
    np.multiply(g, g, out=work)
    work *= 1 - BETAS[1]
    v += work
    np.sqrt(v, out=work)
    work /= (1 - BETAS[1] ** t) ** 0.5
    work += EPS
    np.divide(m, work, out=work)
    work *= LR / (1 - BETAS[0] ** t)
    w -= work


def library_step(model: Sequential, X: np.ndarray, y: np.ndarray, kind: type) -> Work:
    """The training step by the library, as `train` does it."""
    optimizer = kind(model.parameters(), LR)

    def step() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(model(Tensor(X)), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def under_no_grad(model: Sequential, x: Tensor) -> Work:
    """The forward pass with no graph recorded, the switch included."""

    def run() -> Tensor:
        with no_grad():
            return model(x)

    return run


def mlp(sizes: tuple[int, int, int]) -> Sequential:
    """A network of two layers, the same at every call."""
    rng = np.random.default_rng(SEED)
    d, h, o = sizes
    return Sequential(Linear(d, h, rng=rng), ReLU(), Linear(h, o, rng=rng))


def weights_of(model: Sequential) -> list[np.ndarray]:
    """The arrays of the parameters: W1, b1, W2, b2."""
    return [parameter.data for parameter in model.parameters()]


def random(*shape: int) -> np.ndarray:
    """Normal float32 numbers, the same at every call."""
    return np.random.default_rng(SEED).standard_normal(shape, dtype=np.float32)


def timed(arms: Arms, rounds: int) -> dict[str, Latency]:
    """Time the arms in turn, a block of each per round."""
    latencies = time_interleaved(list(arms.values()), rounds, seed=SEED)
    return dict(zip(arms, latencies, strict=True))


def over(baseline: Latency, candidate: Latency) -> RatioInterval:
    """Baseline / candidate of the same rounds, with its interval."""
    return median_ratio_interval(np.log(baseline.samples_ms) - np.log(candidate.samples_ms))


def require_equal(results: list[np.ndarray]) -> None:
    """Stop when two arms do not compute the same."""
    for found in results[1:]:
        np.testing.assert_allclose(found, results[0], rtol=1e-4, atol=1e-6)
