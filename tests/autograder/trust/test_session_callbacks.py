"""What a test passes to student code runs on the test's side, and shows its public face only."""

import pytest

CELLS = """
import gc, numpy as np
def apply(f, *args, **named): return f(*args, **named)
def apply_all(f, items): return [f(item) for item in items]
def try_apply(f, x):
    try: return f(x)
    except ValueError as error: return f"caught {error}"
    except KeyError: return "caught a key"
def read(thing, name): return getattr(thing, name)
def call(thing, name, *args): return getattr(thing, name)(*args)
def write(thing, name, value): setattr(thing, name, value)
def look(thing): return [len(thing), thing[0], list(thing), bool(thing)]
def keep(thing): kept.append(thing)
def give_back(): return kept[0]
def compose(f, g): return lambda x: f(g(x))
def again(f, n): return f(n) if n else 0
def ask(operation, target, *args, **named): return _channel.ask(operation, target, args, named)
def ask_kept(operation, *args): return ask(operation, kept[0], *args)
def numbered(number):
    from autograder.trust.student_side import Remote
    return Remote(_channel, number, {})
def steal(number, name): return getattr(numbered(number), name)
kept = []
"""

HELPER = """
class Helper:
    visible = 5
    _hidden = "planted"
    def __init__(self): self.items = [1, 2]; self.__secret = "planted"
    def double(self, x): return 2 * x
    def _private(self): return "planted"
    def __len__(self): return 3
    def __getitem__(self, i): return [7, 8, 9][i]
    def __bool__(self): return False
h = Helper()
"""

HOLDS = [
    "assert apply(lambda x: x * 2, 4) == 8 and apply(lambda *, k: k, k=5) == 5",
    "seen = []\nassert apply_all(lambda x: seen.append(x) or x, [1, 2]) == [1, 2] and "
    "seen == [1, 2]",
    "def f(x):\n    raise ValueError('mine')\nassert try_apply(f, 1) == 'caught mine'",
    "assert try_apply({}.__getitem__, 1) == 'caught a key'",
    "def f(x):\n    raise TypeError('mine')\n"
    "try: try_apply(f, 1)\nexcept TypeError as e: assert str(e) == 'mine'\nelse: assert 0",
    "assert apply(max, [1, 3, 2]) == 3 and apply(int, '7') == 7 and apply(str.upper, 'a') == 'A'",
    "f = lambda x: x + 1\nassert compose(f, f)(1) == 3",
    "f = lambda x: x\nkeep(f)\nassert give_back() is f",
    "items = [1]\nf = lambda i: i.append(2) or len(i)\n"
    "assert apply(f, items) == 2 and items == [1, 2]",
    "import math\nassert apply(math.sqrt, 9) == 3",
    "import numpy as np\nassert apply(np.sum, np.arange(4)) == 6",
    "def fact(n):\n    return n * again(fact, n - 1) if n > 1 else 1\n"
    "assert fact(15) == 1307674368000",
    "import functools\nassert apply(functools.partial(pow, 2), 5) == 32",
    HELPER
    + "assert read(h, 'visible') == 5 and call(h, 'double', 4) == 8 and read(h, 'items') == [1, 2]",
    HELPER + "assert look(h) == [3, 7, [7, 8, 9], False]",
    HELPER + "assert apply(h.double, 3) == 6",
    "def f(x):\n    assert x == 5, 'wrong'\napply(f, 5)",
]
REFUSED = [
    (HELPER + "read(h, '_hidden')", "_hidden"),
    (HELPER + "read(h, '_Helper__secret')", "_Helper__secret"),
    (HELPER + "call(h, '_private')", "_private"),
    (HELPER + "ask('get', h, '__dict__')", "only public"),
    (HELPER + "ask('get', h, '__class__')", "only public"),
    (HELPER + "ask('get', h, 5)", "only public"),
    (HELPER + "write(h, 'visible', 6)", "cannot set"),
    (HELPER + "ask('set', h, 'visible', 6)", "unknown request"),
    (HELPER + "ask('assign', h, 5)", "unknown request"),
    ("f = lambda x: x\nread(f, '__globals__')", "__globals__"),
    ("f = lambda x: x\nask('get', f, '__globals__')", "only public"),
    ("f = lambda x: x\nask('get', f, '__code__')", "only public"),
    ("g = (i for i in [1])\nread(g, 'gi_frame')", "cannot be used"),
    ("g = (i for i in [1])\nread(g, 'gi_code')", "cannot be used"),
    ("class T: import sys\nread(T(), 'sys')", "cannot be used"),
    ("class T: inner = int\nread(T(), 'inner')", "cannot be used"),
    ("import sys\nread(sys, 'modules')", "a module cannot be passed"),
]
STOLEN = [
    "ask('call', open, '/etc/passwd')",
    "ask('call', int, '5')",
    "ask('call', type, 'X', (), {})",
    "ask('get', str, 'format')",
    "ask('get', 'plain', 'format')",
    "ask('call', np.memmap, '/proc/self/mem')",
    "ask('list', [1])",
    "ask('item', {'a': 1}, 'a')",
    "ask('call', numbered(0))",
    "ask('call', numbered(99))",
    "ask('call', numbered(-1))",
    "ask('call', apply)",
    "ask('call', _channel)",
    "ask('name', 'expected')",
    "ask('copy', None)",
    "ask('update', None, [1])",
]


@pytest.mark.parametrize("test", HOLDS)
def test_what_a_test_passes_can_be_used(judge, test):
    verdict = judge(CELLS).test(test)
    assert verdict["passed"], verdict


@pytest.mark.parametrize(("test", "words"), REFUSED)
def test_its_private_face_cannot(judge, test, words):
    said = judge(CELLS).says(test)
    assert "planted" not in said
    assert words in said


@pytest.mark.parametrize("attack", STOLEN)
def test_what_was_not_passed_cannot_be_used(judge, attack):
    cells = f"{CELLS}\ndef attack():\n    return {attack}"
    said = judge(cells).says("expected = 'planted'\nattack()")
    assert said.startswith(("ChannelError", "TypeError", "AttributeError")), said


def test_a_name_of_the_test_s_is_not_the_student_s_to_read(judge):
    test = "expected = 'planted'\nf = lambda: expected\n"
    marked = judge(CELLS)
    assert marked.passes(test + "assert apply(f) == 'planted'")
    assert "planted" not in marked.says(test + "steal(0, '__globals__')")
    assert "planted" not in marked.says(test + "steal(0, 'func_globals')")


def test_calls_back_and_forth_have_an_end(judge):
    verdict = judge(CELLS).test("def f(n):\n    return again(f, n + 1)\nf(1)")
    assert verdict["ename"] == "RecursionError"


def test_an_endless_conversation_ends_with_the_time(judge):
    cells = CELLS + "def chat(f):\n    while True: f(1)"
    verdict = judge(cells).test("chat(lambda x: x)", seconds=0.5)
    assert verdict["problem"] == "timeout"
