"""What limits a computation, from the work it is and the time it took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.perf.profiling.roofline import Roofline, arithmetic_intensity
from tinytorch.perf.profiling.work import Work


def judge(works: Sequence[Work], latency_ms: float, roofline: Roofline) -> dict[str, Any]:
    """Return the rates of work done in ``latency_ms``, and which limit of the machine it meets.

    Several works are done one after another, so their least times add up; ``is_memory_bound``
    says that more of that sum is for moving bytes than for computing (of one work: that its
    intensity lies below the ridge point), ``is_compute_bound`` the opposite, and both are False
    where nothing is to be done.
    ``roofline_ms`` is that sum, and ``bottleneck`` is "overhead" when it is less than half of the
    time: then Python, the calls of NumPy and the allocations take more than either limit; else it
    is "memory" if memory-bound and "compute" if not.
    ``arithmetic_intensity`` is that of all works together, None without operations and bytes,
    ``computational_efficiency`` the rate as a fraction of the measured peak,
    ``gflops_per_second`` counts 10^9 operations, ``memory_bandwidth_mbs`` 10^6 bytes.
    Raises ValueError unless the latency is above 0.
    """
    if not latency_ms > 0:
        raise ValueError(f"expected a latency above 0 ms, got {latency_ms}")
    flops, moved = sum(w.flops for w in works), sum(w.bytes_moved for w in works)
    least_ms = {"memory": 0.0, "compute": 0.0}
    for work in works:
        if work.flops or work.bytes_moved:
            bound = roofline.bound(work.flops, work.bytes_moved)
            least_ms[bound] += 1000 * roofline.least_seconds(work.flops, work.bytes_moved)
    roofline_ms = least_ms["memory"] + least_ms["compute"]
    by_memory = least_ms["memory"] > least_ms["compute"]
    limit = "memory" if by_memory else "compute"
    return {
        "arithmetic_intensity": arithmetic_intensity(flops, moved) if flops or moved else None,
        "gflops_per_second": flops / latency_ms / 1e6,
        "memory_bandwidth_mbs": moved / latency_ms / 1e3,
        "computational_efficiency": flops / latency_ms * 1e3 / roofline.peak_flops,
        "roofline_ms": roofline_ms,
        "is_memory_bound": by_memory,
        "is_compute_bound": roofline_ms > 0 and not by_memory,
        "bottleneck": "overhead" if roofline_ms < latency_ms / 2 else limit,
    }
