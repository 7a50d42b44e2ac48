"""What one model costs and how good it is: the metrics of a submission."""

import time
from typing import Any

import numpy as np

from tinytorch.benchmarking import Latency, measure_latency, system_info
from tinytorch.core.tensor import Tensor


def classification_accuracy(model: Any, X_test: Tensor, y_test: np.ndarray) -> float:
    """Return the fraction of rows whose highest score is the right class, in [0, 1].

    `X_test` is (n, features), `y_test` holds n integer labels.
    Raises ValueError unless there is one label for each row, and at least one row.
    """
    labels = np.asarray(y_test)
    if len(X_test) == 0 or labels.shape != (len(X_test),):
        raise ValueError(
            f"X_test has {len(X_test)} rows and y_test the shape {labels.shape}; "
            "pass one label for each row, and at least one row"
        )
    scores = model.forward(X_test).data
    return float(np.mean(np.argmax(scores, axis=1) == labels))


class BenchmarkReport:
    """The measured figures of one model, with the machine and the time they were taken.

    `metrics` is empty until `benchmark_model` fills it.
    """

    def __init__(self, model_name: str = "model") -> None:
        self.model_name = model_name
        self.metrics: dict[str, Any] = {}
        self.system_info: dict[str, Any] = self._get_system_info()
        self.timestamp = time.strftime("%Y-%m-%d %H:%M:%S")

    def _get_system_info(self) -> dict[str, Any]:
        """Describe this machine: at least `platform`, `python_version`, `numpy_version`."""
        return dict(system_info())

    def benchmark_model(
        self, model: Any, X_test: Tensor, y_test: np.ndarray, num_runs: int = 100
    ) -> dict[str, Any]:
        """Measure `model` and return the metrics, which the report keeps too.

        `X_test` is (n, features) and `y_test` holds n integer labels.
        Accuracy is taken over all n rows, latency over `num_runs` timings of the first row alone.
        """
        accuracy = classification_accuracy(model, X_test, y_test)
        first_row = X_test[:1]
        latency = measure_latency(lambda: model.forward(first_row), num_samples=num_runs)
        return self.record(model, accuracy, latency)

    def record(self, model: Any, accuracy: float, latency: Latency) -> dict[str, Any]:
        """Keep and return the metrics of a measurement that has been taken.

        Sizes are the bytes of the parameters held, divided by 2**20: four bytes each for float32,
        fewer for a model that stores them packed (it says so by `size_bytes()`).
        Times are milliseconds per call; `throughput_samples_per_sec` is 1000 / mean latency.
        """
        parameter_count = int(model.count_parameters())
        size_bytes = model.size_bytes() if hasattr(model, "size_bytes") else 4 * parameter_count
        self.metrics = {
            "parameter_count": parameter_count,
            "model_size_mb": size_bytes / 2**20,
            "accuracy": float(accuracy),
            "latency_ms_mean": latency.mean_ms,
            "latency_ms_std": latency.std_ms,
            "throughput_samples_per_sec": 1000 / latency.mean_ms,
            "latency_ms_p50": latency.median_ms,
            "latency_ms_p90": latency.percentile_ms(90),
            "latency_ms_p99": latency.percentile_ms(99),
            "latency_samples": latency.num_samples,
            "calls_per_sample": latency.calls_per_sample,
        }
        return self.metrics
