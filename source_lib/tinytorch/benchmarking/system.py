"""What is known of the machine a figure was measured on."""

import hashlib
import importlib
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

CPU_FILE = Path("/proc/cpuinfo")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

# What changes a figure from one machine or set-up to another, and stays while nothing changes.
FINGERPRINTED = (
    "platform",
    "python_version",
    "numpy_version",
    "machine",
    "cpu",
    "cpu_count",
    "cpus_usable",
    "ram_gb",
    "blas",
    "blas_threads",
    "virtual",
)

SystemInfo = dict[str, str | int | float | None]


def system_info() -> SystemInfo:
    """Describe this machine in plain values that JSON holds; what is not known is None.

    `ram_gb` is in 10^9 bytes, `clock_resolution_ns` in nanoseconds, `load_average` that of the
    last minute, `cpus_usable` the number this process may run on.
    `virtual` is "hypervisor" when the CPU says so; its silence proves nothing, hence None then.
    The host name is left out, since these values are published with a submission.

    >>> sorted(system_info())[:4]
    ['blas', 'blas_threads', 'clock', 'clock_resolution_ns']
    """
    cpu = _cpu_fields()
    blas, blas_threads = _blas()
    clock = time.get_clock_info("perf_counter")
    return {
        "platform": platform.platform(),
        "python_version": platform.python_version(),
        "numpy_version": np.__version__,
        "machine": platform.machine() or None,
        "cpu": cpu.get("model name") or platform.processor() or None,
        "cpu_count": os.cpu_count(),
        "cpus_usable": _cpus_usable(),
        "ram_gb": _ram_gb(),
        "blas": blas,
        "blas_threads": blas_threads,
        "clock": clock.implementation,
        "clock_resolution_ns": clock.resolution * 1e9,
        "load_average": _load_average(),
        "virtual": "hypervisor" if "hypervisor" in cpu.get("flags", "").split() else None,
    }


def machine_fingerprint(info: SystemInfo | None = None) -> str:
    """Twelve hexadecimal digits that differ between two set-ups whose times must not be compared.

    They are the start of the SHA-256 of those fields of `system_info` that stay the same from one
    minute to the next; the load is left out.
    Equal fingerprints do not prove one machine: two of a kind have the same.

    >>> machine_fingerprint() == machine_fingerprint()
    True
    """
    known = system_info() if info is None else info
    stable = {name: known.get(name) for name in FINGERPRINTED}
    text = json.dumps(stable, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def _cpu_fields() -> dict[str, str]:
    """The fields of the first CPU in /proc/cpuinfo, empty where there is no such file."""
    try:
        text = CPU_FILE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first_cpu = text.strip().split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first_cpu.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _cpus_usable() -> int | None:
    """Number of CPUs this process may run on, None where the system does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    return len(os.sched_getaffinity(0))


def _ram_gb() -> float | None:
    """Physical memory in 10^9 bytes, None where the system does not say."""
    try:
        num_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # no sysconf, no such name, no answer
        return None
    return round(num_bytes / 1e9, 2) if num_bytes > 0 else None


def _load_average() -> float | None:
    """Processes that ran or waited to run, mean of the last minute; None where unknown."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _blas() -> tuple[str | None, int | None]:
    """Name of the BLAS that NumPy calls and its number of threads.

    The libraries loaded are asked through threadpoolctl; without it the name is the one NumPy was
    built with and the threads are those an environment variable sets.
    """
    try:
        threadpool_info = importlib.import_module("threadpoolctl").threadpool_info
    except ImportError:
        return _blas_built_with(), _threads_from_environment()
    loaded = [pool for pool in threadpool_info() if pool.get("user_api") == "blas"]
    # SciPy brings a BLAS of its own: the one NumPy calls lies in NumPy's folder or is the only one.
    of_numpy = [pool for pool in loaded if "numpy" in str(pool.get("filepath", "")).lower()]
    chosen = of_numpy or loaded
    if len(chosen) != 1:
        return _blas_built_with(), _threads_from_environment()
    name = f"{chosen[0].get('internal_api')} {chosen[0].get('version') or ''}".strip()
    return name, int(chosen[0]["num_threads"])


def _blas_built_with() -> str | None:
    """Name and version of the BLAS in NumPy's own build record."""
    record = np.show_config(mode="dicts")
    blas = record.get("Build Dependencies", {}).get("blas", {}) if isinstance(record, dict) else {}
    return f"{blas.get('name', '')} {blas.get('version', '')}".strip() or None


def _threads_from_environment() -> int | None:
    """The first thread count that an environment variable of a BLAS sets, None without one."""
    for variable in THREAD_VARIABLES:
        value = os.environ.get(variable, "")
        if value.isdecimal() and int(value) > 0:
            return int(value)
    return None
