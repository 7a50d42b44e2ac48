"""Laws of `system_info`: plain values, and None rather than a guess."""

import json
import os
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from tinytorch.benchmarking import machine_fingerprint, system, system_info

REQUIRED = {"platform", "python_version", "numpy_version"}
KNOWN_OR_NONE = {"cpu", "cpu_count", "ram_gb", "blas", "blas_threads", "load_average", "virtual"}


def test_values_are_plain_and_survive_json() -> None:
    """Strict JSON gives back the same dictionary."""
    info = system_info()
    assert json.loads(json.dumps(info, allow_nan=False)) == info
    assert {type(value) for value in info.values()} <= {str, int, float, type(None)}
    assert info.keys() >= REQUIRED | KNOWN_OR_NONE


def test_versions_are_those_that_run() -> None:
    """Equality with their own modules."""
    info = system_info()
    assert info["python_version"] == platform.python_version()
    assert info["numpy_version"] == np.__version__
    assert info["platform"] == platform.platform()
    assert info["cpu_count"] == os.cpu_count()


def test_the_host_name_stays_private() -> None:
    """A published submission does not say whose machine it was."""
    values = [str(value) for value in system_info().values()]
    assert not platform.node() or platform.node() not in values


def test_unknown_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A system without the sources gives None for each, and no exception."""

    def refuse(*_: object) -> float:
        raise OSError("no such thing here")

    monkeypatch.setattr(system, "CPU_FILE", tmp_path / "missing")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(os, "sysconf", refuse)
    monkeypatch.setattr(os, "getloadavg", refuse)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    info = system_info()
    for name in ("cpu", "cpu_count", "cpus_usable", "ram_gb", "load_average", "virtual"):
        assert info[name] is None, name


@pytest.mark.parametrize(
    ("flags", "virtual"), [("fpu hypervisor sse", "hypervisor"), ("fpu", None)]
)
def test_virtual_only_when_the_cpu_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: str, virtual: str | None
) -> None:
    """The flag proves a virtual machine, its absence proves nothing."""
    text = f"processor : 0\nmodel name\t: A: CPU\nflags : {flags}\n\nmodel name : other\n"
    (tmp_path / "cpuinfo").write_text(text, encoding="utf-8")
    monkeypatch.setattr(system, "CPU_FILE", tmp_path / "cpuinfo")
    info = system_info()
    assert (info["cpu"], info["virtual"]) == ("A: CPU", virtual)


@pytest.mark.parametrize(
    ("value", "threads"), [("3", 3), ("", None), ("many", None), ("0", None), ("-2", None)]
)
def test_threads_from_the_environment_without_threadpoolctl(
    monkeypatch: pytest.MonkeyPatch, value: str, threads: int | None
) -> None:
    """Where the loaded library cannot be asked, only a clear setting counts."""
    for variable in system.THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    info = system_info()
    assert info["blas_threads"] == threads
    assert info["blas"] is None or isinstance(info["blas"], str)


def test_threads_follow_the_library() -> None:
    """The number is the one in force, not the one at the start."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    if system_info()["blas_threads"] is None:
        pytest.skip("no BLAS that can be asked")
    with threadpoolctl.threadpool_limits(1):
        assert system_info()["blas_threads"] == 1


def test_fingerprint_is_that_of_the_machine_and_not_of_the_minute() -> None:
    """The load leaves it alone, another library or thread count changes it."""
    info = system_info()
    mark = machine_fingerprint(info)
    assert len(mark) == 12
    assert int(mark, 16) >= 0
    assert machine_fingerprint(info | {"load_average": 99.0, "clock": "other"}) == mark
    others = {
        machine_fingerprint(info | change)
        for change in (
            {"cpu": "other"},
            {"blas_threads": 77},
            {"numpy_version": "0"},
            {"cpu": None},
        )
    }
    assert len(others | {mark}) == 5


def test_fingerprint_does_not_depend_on_the_order_of_the_fields() -> None:
    info = system_info()
    assert machine_fingerprint(dict(reversed(info.items()))) == machine_fingerprint(info)
