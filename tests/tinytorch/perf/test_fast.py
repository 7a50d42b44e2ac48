"""Laws of the fast twins: optional, switched off at will, absent without harm, said once."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from tinytorch.perf import fast

WITHOUT = """
import importlib.abc, json, logging, sys
import numpy as np

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("numba", "scipy"):
            raise ImportError(f"no module named {name}")

sys.meta_path.insert(0, Missing())
logging.basicConfig(format="%(message)s")
from tinytorch.core.layers import Linear
from tinytorch.perf import fast
from tinytorch.perf.quantization import QuantizedLinear
layer = QuantizedLinear(Linear(8, 3))
for _ in range(3):
    layer(np.ones((1, 8)))
    fast.scipy_available()
print(json.dumps([fast.numba_available(), fast.scipy_available(), len(fast.missing())]))
"""


def double(values, out):
    for i in range(values.size):
        out[i] = 2 * values[i]


def test_numpy_only_switches_twins_off_and_back():
    """Inside the block none is used, and nesting ends with the outer block."""
    before = fast.numba_available(), fast.scipy_available()
    with fast.numpy_only():
        with fast.numpy_only():
            pass
        assert not fast.numba_available()
        assert not fast.scipy_available()
        assert fast.compiled(double) is None
    assert (fast.numba_available(), fast.scipy_available()) == before


def test_compiled_computes_what_the_loop_does():
    """Once per loop, signature and options; another option gives another function."""
    pytest.importorskip("numba")
    values, out = np.arange(4.0), np.zeros(4)
    function = fast.compiled(double)
    function(values, out)
    np.testing.assert_array_equal(out, 2 * values)
    assert fast.compiled(double) is function
    assert fast.compiled(double, fastmath=True) is not function


def test_compiled_with_signatures_takes_read_only_arrays_too():
    """One compilation serves what may be written and what may not."""
    pytest.importorskip("numba")
    signature = "void(Array(float64, 1, 'C', readonly=True), float64[::1])"
    function = fast.compiled(double, signature)
    values, out = np.arange(4.0), np.zeros(4)
    values.flags.writeable = False
    function(values, out)
    np.testing.assert_array_equal(out, 2 * values)
    assert len(function.signatures) == 1


def test_a_loop_without_a_source_file_is_compiled_all_the_same():
    """What cannot be kept on disk, as in a sandbox or at a prompt, is compiled in memory."""
    pytest.importorskip("numba")
    names = {}
    exec("def triple(values, out):\n    out[:] = 3 * values", names)
    out = np.zeros(2)
    fast.compiled(names["triple"])(np.ones(2), out)
    np.testing.assert_array_equal(out, [3, 3])


def test_without_the_packages_everything_works_and_says_once_what_they_gain():
    """In a process where neither can be imported: two sentences, however often it is asked."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, env=environment, check=True
    )
    assert json.loads(result.stdout) == [False, False, 2]
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 2
    for name, line in zip(("numba", "scipy"), lines, strict=True):
        assert line.startswith(f"{name} cannot be imported; `pip install {name}` would gain")


def test_nothing_is_said_while_twins_are_switched_off(caplog):
    """Who asks for NumPy knows that it is slower."""
    with fast.numpy_only(), caplog.at_level(logging.DEBUG):
        fast.numba_available()
        fast.compiled(double)
    assert caplog.records == []


def test_importing_the_package_imports_no_twin():
    """Neither numba nor scipy nor matplotlib is loaded by the modules that may use them."""
    code = (
        "import sys; import tinytorch.perf.compression, tinytorch.perf.quantization; "
        "print([m for m in ('numba', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
