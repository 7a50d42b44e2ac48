"""Student code gets the test's values, and the test sees what student code does to them."""

import pytest

CELLS = """
import copy, numpy as np
from collections import Counter, OrderedDict, defaultdict, deque
def fill(items): items.append(1); items[0] = 5
def clear(items): items.clear()
def scale(array): array *= 2
def swap(a, b): a[:], b[:] = list(b), list(a)
def put(mapping, key, value): mapping[key] = value
def put_inner(mapping): mapping["inner"].append(7)
def same(value): return value
def wrap(value): return {"wrapped": value, "again": value}
def named(*, items, extra=None): items.append(extra)
def advance(rng): return rng.random()
def twice(value): return value, value
def fail_after(items): items.append(1); raise ValueError
def nothing(items): items.append(1); items.pop()
class Bag:
    def __init__(self, items): self.items = items; self.by = {}; self.array = np.zeros(3)
    def total(self): return sum(self.items)
    def add(self, item): self.items.append(item); return len(self.items)
    def key(self): return sorted(self.by)
    def sum(self): return float(self.array.sum())
settings = {"a": 1, "inner": [1]}
def setting(name): return settings[name]
history = []
x = 5
def get_x(): return x
"""

HOLDS = [
    "items = [1, 2]\nalias = items\nfill(items)\nassert items == [5, 2, 1] and alias is items",
    "items = [1, 2]\nclear(items)\nassert items == []",
    "from collections import deque\nd = deque([1])\nfill(d)\nassert list(d) == [5, 1]",
    "import numpy as np\na = np.arange(4.0)\nview = a[:2]\nscale(a)\n"
    "assert a[3] == 6 and view[1] == 2",
    "a, b = [1], [2, 3]\nswap(a, b)\nassert a == [2, 3] and b == [1]",
    "d = {'a': 1}\nput(d, 'b', 2)\nassert d == {'a': 1, 'b': 2}",
    "d = {'inner': []}\ninner = d['inner']\nput_inner(d)\n"
    "assert inner == [7] and d['inner'] is inner",
    "from collections import defaultdict\nd = defaultdict(list)\nput(d, 'a', 1)\n"
    "assert d['a'] == 1 and d['b'] == []",
    "from collections import Counter\nc = Counter('aa')\nput(c, 'b', 5)\n"
    "assert c.most_common(1) == [('b', 5)]",
    "items = [1]\nnamed(items=items, extra=3)\nassert items == [1, 3]",
    "items = [1]\nassert same(items) is items and same((items,)) == ([1],)",
    "items = [1]\nassert wrap(items)['wrapped'] is items",
    "assert twice([1]) == ([1], [1])",
    "items = []\ntry: fail_after(items)\nexcept ValueError: pass",
    "items = [0]\nnothing(items)\nassert items == [0]",
    "import numpy as np\na, b = np.random.default_rng(1), np.random.default_rng(1)\n"
    "assert advance(a) == b.random() and a.random() == b.random()",
    "bag = Bag([1, 2])\nassert bag.add(3) == 3 and bag.items == [1, 2, 3] and bag.total() == 6",
    "bag = Bag([1])\nbag.items.append(9)\nassert bag.total() == 10 and bag.items == [1, 9]",
    "bag = Bag([1])\nbag.items = [4]\nassert bag.total() == 4",
    "bag = Bag([])\nbag.by['k'] = 1\nassert bag.key() == ['k']",
    "bag = Bag([])\nbag.array[1] = 3\nassert bag.sum() == 3",
    "bag = Bag([])\nitems = bag.items\nitems.extend([1, 2])\nitems.append(3)\n"
    "assert bag.total() == 6",
    "settings['a'] = 2\nassert setting('a') == 2",
    "settings['inner'].append(2)\nassert setting('inner') == [1, 2]",
    "import __main__ as student\nstudent.x = 7\nassert get_x() == 7 and student.x == 7",
    "import __main__ as student\ndel student.x\nassert not hasattr(student, 'x')",
    "import __main__\nassert __main__.x == 5 and getattr(__main__, 'y', 1) == 1",
    "assert same(same)(3) == 3 and same(Bag) is Bag and same(int) is int",
    "f = same\nassert f is same and same(f) is same",
    "assert list(map(same, [1, 2])) == [1, 2] and sorted([2, 1], key=same) == [1, 2]",
    "def outer(n):\n    return same(n) + 1\n"
    "assert outer(1) == 2 and [same(i) for i in range(3)] == [0, 1, 2]",
]
FAILS = [
    "items = [1, 2]\nfill(items)\nassert items == [1, 2]",
    "items = [1]\nassert same(list(items)) is items",
    "bag = Bag([1])\nbag.items.append(9)\nassert bag.total() == 1",
    "settings['a'] = 2\nassert setting('a') == 1",
    "import numpy as np\na = np.arange(4.0)\nscale(a)\nassert a[3] == 3",
    "import __main__ as student\nassert student.undefined",
]


@pytest.mark.parametrize("test", HOLDS)
def test_values_behave_as_in_one_process(judge, test):
    verdict = judge(CELLS).test(test)
    assert verdict["passed"], verdict


@pytest.mark.parametrize("test", FAILS)
def test_and_a_wrong_claim_about_them_fails(judge, test):
    assert not judge(CELLS).passes(test)


@pytest.mark.parametrize(
    "value", ["[[]] * 2000", "list(range(100000))", "{'a': [1] * 5000}", "np.zeros(10**6)"]
)
def test_large_values_cross(judge, value):
    assert judge(CELLS).passes(f"import numpy as np\nv = {value}\nassert len(same(v)) == len(v)")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("deep", "too many parts"),
        ("cycle", "contains itself"),
        ("1 << 300_000", "too large"),
    ],
)
def test_what_cannot_cross_fails_the_test_with_a_sentence(judge, value, words):
    cells = "deep = []\nfor _ in range(500): deep = [deep]\ncycle = []\ncycle.append(cycle)"
    marked = judge(f"{cells}\ndef f(): return {value}")
    assert words in marked.says("f()")
    assert marked.passes("assert 1 == 1")


def test_what_is_printed_is_printed_in_the_test(judge):
    marked = judge("import sys\ndef hello(n=1): print('hello\\n' * n, end='')\ndef warn(): "
                   "print('oh', file=sys.stderr); import warnings; warnings.warn('x')")  # fmt: skip
    capture = (
        "import io, contextlib\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out: hello(%s)\n"
        "assert out.getvalue() == %s"
    )
    assert marked.passes(capture % (2, "'hello\\nhello\\n'"))
    assert not marked.passes(capture % (2, "'hello\\n'"))
    assert marked.passes("warn()")
    flood = (
        "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as out: hello(10**6)"
    )
    assert marked.passes(flood + "\nassert len(out.getvalue()) <= 2**20")


def test_the_prints_before_an_exception_arrive_too(judge):
    test = (
        "import io, contextlib\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "    try: f()\n"
        "    except ValueError: pass\n"
        "assert out.getvalue() == 'before'"
    )
    assert judge("def f(): print('before', end=''); raise ValueError").passes(test)
