"""A test and the notebook share the global random generators, as in one process."""

import numpy as np
import pytest

from autograder.trust.states import changed_states, get_states, set_states

CELLS = """
import random, numpy as np
def draw(): return random.random(), np.random.rand()
def shuffled(): items = list(range(9)); random.shuffle(items); return items
def sample(): return np.random.normal(size=3)
def seed(n): random.seed(n); np.random.seed(n)
random.seed(42); np.random.seed(42)
"""

HOLDS = [
    "import random, numpy as np\nrandom.seed(1); np.random.seed(1)\na = draw()\n"
    "random.seed(1); np.random.seed(1)\nassert draw() == a == draw.__call__() or draw() != a",
    "import random\nrandom.seed(3)\na = shuffled()\nrandom.seed(3)\nb = list(range(9))\n"
    "random.shuffle(b)\nassert a == b",
    "import numpy as np\nnp.random.seed(0)\na = sample()\nnp.random.seed(0)\n"
    "assert np.array_equal(a, np.random.normal(size=3))",
    "import numpy as np\nnp.random.seed(0)\na, b = sample(), sample()\n"
    "assert not np.array_equal(a, b)",
    "import random\nr = random.Random(42)\n"
    "assert draw()[0] == r.random() and draw()[0] == r.random()",
    "import numpy as np\nr = np.random.RandomState(42)\nassert draw()[1] == r.rand()",
    "import random\nrandom.seed(1)\nr = random.Random(5)\nseed(5)\nassert draw()[0] == r.random()",
]


@pytest.mark.parametrize("test", HOLDS)
def test_seeds_mean_what_they_mean_in_one_process(judge, test):
    verdict = judge(CELLS).test(test)
    assert verdict["passed"], verdict


def test_another_seed_gives_other_numbers(judge):
    test = "import numpy as np\nnp.random.seed(0)\na = sample()\nnp.random.seed(1)\n"
    assert not judge(CELLS).passes(test + "assert np.array_equal(a, sample())")


@pytest.fixture
def kept():
    """Put the generators back after a test."""
    before = get_states()
    yield
    set_states(before)


@pytest.mark.usefixtures("kept")
def test_only_what_has_changed_is_sent():
    before = {}
    assert set(changed_states(before)) >= {"random", "numpy"}
    assert changed_states(before) == {}
    np.random.rand()
    assert set(changed_states(before)) == {"numpy"}


@pytest.mark.usefixtures("kept")
def test_states_can_be_taken_and_set():
    states = get_states()
    first = np.random.rand()
    set_states(states)
    assert np.random.rand() == first
    set_states({})
