"""An ordinary nbgrader notebook of another course: what its tests do, a task for each way.

A task is what the student writes (a right answer and a wrong one) and how it is tested.
"""

from dataclasses import dataclass

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .small_class import role

GIVEN = '''
import math
import random
import numpy as np
from dataclasses import dataclass

RATE = 1.5
DATA = {"a": 1, "b": [1, 2, 3]}

def close(a, b, eps=1e-9):
    """A helper that the course gives."""
    return abs(a - b) < eps

class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def norm(self):
        return math.hypot(self.x, self.y)
    def __eq__(self, other):
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

class Node:
    def __init__(self, value, after=None):
        self.value, self.after = value, after
'''


@dataclass(frozen=True)
class Task:
    """A task worth `points`; `partly` is what the wrong answer gets for it."""

    right: str
    wrong: str
    test: str
    points: float = 2
    partly: float = 0


TASKS = {
    "file": Task(  # whose test uses a module that lies in a file beside the notebook
        "def third(x):\n    return x / 3",
        "def third(x):\n    return x / 2",
        "import checking\nfrom checking import near\n"
        "assert near(third(3), 1) and checking.near(third(1), 1 / 3)",
    ),
    "function": Task(
        "def twice(x):\n    return 2 * x",
        "def twice(x):\n    return x * x",
        "assert twice(2) == 4\nassert twice(3) == 6, 'three'\nassert twice('ab') == 'abab'",
    ),
    "variable": Task(
        "answer = 42\nnames = ['a', 'b']\nnothing = None\nratio = 1 / 3",
        "answer = 41\nnames = ['a']\nnothing = 0\nratio = 0.3",
        "assert answer == 42 and names == ['a', 'b'] and nothing is None\n"
        "assert isinstance(names, list) and type(answer) is int\n"
        "assert abs(ratio - 1/3) < 1e-12",
    ),
    "array": Task(
        "def centred(x):\n    return x - x.mean(axis=0)",
        "def centred(x):\n    return x - x.mean()",
        "x = np.arange(12.0).reshape(4, 3)\ny = centred(x)\n"
        "assert isinstance(y, np.ndarray) and y.shape == (4, 3) and y.dtype == float\n"
        "np.testing.assert_allclose(y.mean(axis=0), np.zeros(3), atol=1e-12)\n"
        "assert np.allclose(y[0], [-4.5, -4.5, -4.5])",
    ),
    "many_kinds": Task(
        "def kinds(n):\n    return {'t': (n, str(n)), 's': {n, n + 1}, 'z': complex(n, 1), "
        "'b': bytes([n]), 'big': 10 ** 30 + n, 'f': frozenset([n]), 'nan': float('nan')}",
        "def kinds(n):\n    return {}",
        "k = kinds(3)\nassert k['t'] == (3, '3') and k['s'] == {3, 4} and k['z'] == 3 + 1j\n"
        "assert k['b'] == b'\\x03' and k['big'] == 10 ** 30 + 3 and 3 in k['f']\n"
        "assert math.isnan(k['nan']) and sorted(k) == sorted(['t','s','z','b','big','f','nan'])",
    ),
    "class_": Task(
        "class Stack:\n    def __init__(self):\n        self.items = []\n"
        "    def push(self, x):\n        self.items.append(x)\n        return self\n"
        "    def pop(self):\n        if not self.items:\n"
        "            raise IndexError('pop from an empty stack')\n"
        "        return self.items.pop()\n"
        "    def __len__(self):\n        return len(self.items)\n"
        "    def __repr__(self):\n        return f'Stack({self.items})'\n"
        "    def __eq__(self, other):\n        return self.items == other.items\n"
        "    def __contains__(self, x):\n        return x in self.items\n"
        "    def __iter__(self):\n        return iter(self.items)\n"
        "    @property\n    def top(self):\n        return self.items[-1]",
        "class Stack:\n    def __init__(self):\n        self.items = []\n"
        "    def push(self, x):\n        self.items.insert(0, x)\n        return self\n"
        "    def pop(self):\n        return self.items.pop()",
        "s = Stack()\ns.push(1).push(2)\nassert len(s) == 2 and s.top == 2 and repr(s) == "
        "'Stack([1, 2])'\nassert 1 in s and 7 not in s and list(s) == [1, 2]\n"
        "assert s == Stack().push(1).push(2) and s != Stack()\n"
        "assert isinstance(s, Stack) and s.pop() == 2 and s.items == [1]\n"
        "s.items.append(5)\nassert s.pop() == 5\ns.items = [8, 9]\nassert s.top == 9",
    ),
    "operators": Task(
        "class Vec:\n    def __init__(self, *v):\n        self.v = v\n"
        "    def __add__(self, o):\n        return Vec(*(a + b for a, b in zip(self.v, o.v)))\n"
        "    def __mul__(self, k):\n        return Vec(*(k * a for a in self.v))\n"
        "    __rmul__ = __mul__\n"
        "    def __neg__(self):\n        return -1 * self\n"
        "    def __eq__(self, o):\n        return self.v == o.v\n"
        "    def __lt__(self, o):\n        return self.v < o.v\n"
        "    def __getitem__(self, i):\n        return self.v[i]\n"
        "    def __hash__(self):\n        return hash(self.v)\n"
        "    def __bool__(self):\n        return any(self.v)",
        "class Vec:\n    def __init__(self, *v):\n        self.v = v",
        "a, b = Vec(1, 2), Vec(3, 4)\nassert a + b == Vec(4, 6) and 2 * a == Vec(2, 4)\n"
        "assert -a == Vec(-1, -2) and a < b and b[1] == 4\n"
        "assert sorted([b, a])[0] == a and max(a, b) == b\n"
        "assert a and not Vec(0, 0)\nassert sum([a, b], Vec(0, 0)) == Vec(4, 6)",
    ),
    "inheritance": Task(
        "class Animal:\n    def __init__(self, name):\n        self.name = name\n"
        "    def speak(self):\n        raise NotImplementedError\n"
        "    def greet(self):\n        return f'{self.name} says {self.speak()}'\n"
        "class Dog(Animal):\n    count = 0\n    def __init__(self, name):\n"
        "        super().__init__(name)\n        Dog.count += 1\n"
        "    def speak(self):\n        return 'wuff'",
        "class Animal:\n    pass\nclass Dog:\n    pass",
        "d = Dog('Rex')\nassert isinstance(d, Animal) and issubclass(Dog, Animal)\n"
        "assert d.greet() == 'Rex says wuff' and Dog.count == 1\n"
        "Dog('Bob')\nassert Dog.count == 2 and type(d).__name__ == 'Dog' and type(d) == Dog\n"
        "try:\n    Animal('x').speak()\nexcept NotImplementedError:\n    pass\n"
        "else:\n    raise AssertionError('an animal cannot speak')",
    ),
    "dataclass_": Task(
        "@dataclass\nclass Card:\n    rank: int\n    suit: str = 'hearts'",
        "class Card:\n    def __init__(self, rank, suit='hearts'):\n        self.rank = rank",
        "assert Card(3) == Card(3, 'hearts') and Card(3) != Card(4)\n"
        "assert repr(Card(3)) == \"Card(rank=3, suit='hearts')\" and Card(rank=5).rank == 5",
    ),
    "seeded": Task(
        "def throw(n):\n    return np.random.randint(1, 7, size=n)\n"
        "def pick(items):\n    return random.choice(items)",
        "def throw(n):\n    return np.ones(n)\ndef pick(items):\n    return items[0]",
        "np.random.seed(5)\nwanted = np.random.randint(1, 7, size=10)\nnp.random.seed(5)\n"
        "assert np.array_equal(throw(10), wanted)\n"
        "random.seed(3)\nwant = [random.choice('abcdef') for _ in range(8)]\nrandom.seed(3)\n"
        "assert [pick('abcdef') for _ in range(8)] == want",
    ),
    "generator_argument": Task(
        "def noise(rng, n):\n    return rng.normal(size=n)",
        "def noise(rng, n):\n    return np.zeros(n)",
        "a = noise(np.random.default_rng(1), 4)\nrng = np.random.default_rng(1)\n"
        "assert a.std() > 0\n"
        "assert np.array_equal(a[:2], noise(rng, 2)) and np.array_equal(a[2:], noise(rng, 2))",
    ),
    "printed": Task(
        "def hello(name):\n    print('Hello', name)\n    print('Bye', end='')",
        "def hello(name):\n    return 'Hello ' + name",
        "import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n"
        "    hello('Ada')\nassert out.getvalue() == 'Hello Ada\\nBye', out.getvalue()",
    ),
    "exceptions": Task(
        "class TooSmall(ValueError):\n    pass\n"
        "def root(x):\n    if x < 0:\n        raise TooSmall(f'{x} is negative')\n"
        "    return math.sqrt(x)\ndef at(d, k):\n    return d[k]",
        "class TooSmall(ValueError):\n    pass\ndef root(x):\n    return abs(x) ** 0.5\n"
        "def at(d, k):\n    return d.get(k)",
        "assert root(9) == 3\ntry:\n    root(-1)\nexcept ValueError as error:\n"
        "    assert 'negative' in str(error)\nelse:\n    assert False, 'no error'\n"
        "try:\n    root(-4)\n    assert False\nexcept TooSmall as e:\n"
        "    assert isinstance(e, TooSmall) and e.args == ('-4 is negative',)\n"
        "import unittest\ncase = unittest.TestCase()\n"
        "with case.assertRaises(KeyError):\n    at({}, 1)\n"
        "case.assertRaises(TooSmall, root, -2)\ncase.assertEqual(at({1: 'x'}, 1), 'x')\n"
        "case.assertAlmostEqual(root(2), 1.41421356, places=5)",
    ),
    "mutation": Task(
        "def fill(items, table, array, point):\n    items.append(9)\n    items.sort()\n"
        "    table['new'] = [1]\n    array[0] = -1\n    array *= 2\n    point.x = 7",
        "def fill(items, table, array, point):\n    items = items + [9]",
        "items, table, array, point = [3, 1], {'old': 0}, np.arange(3.0), Point(1, 2)\n"
        "same = items\nassert fill(items, table, array, point) is None\n"
        "assert items == [1, 3, 9] and same is items and table == {'old': 0, 'new': [1]}\n"
        "assert array.tolist() == [-2, 2, 4] and point.x == 7",
    ),
    "unmutated": Task(
        "def ordered(items):\n    return sorted(items)",
        "def ordered(items):\n    items.sort()\n    return items",
        "items = [3, 1, 2]\nassert ordered(items) == [1, 2, 3]\nassert items == [3, 1, 2]",
    ),
    "given_class": Task(
        "def mirrored(p):\n    return Point(-p.x, -p.y)\n"
        "def farthest(points):\n    return max(points, key=lambda p: p.norm())\n"
        "def scaled(v):\n    return RATE * v",
        "def mirrored(p):\n    return p\ndef farthest(points):\n    return points[0]\n"
        "def scaled(v):\n    return v",
        "assert mirrored(Point(1, 2)) == Point(-1, -2)\n"
        "assert isinstance(mirrored(Point(0, 1)), Point)\n"
        "assert farthest([Point(1, 1), Point(3, 4), Point(0, 2)]).norm() == 5\n"
        "assert close(scaled(2), 3) and DATA['b'][2] == 3",
    ),
    "callbacks": Task(
        "def apply(f, items):\n    return [f(i) for i in items]\n"
        "def compose(f, g):\n    return lambda x: f(g(x))\n"
        "def count_calls(f):\n    def inner(*a, **k):\n        inner.calls += 1\n"
        "        return f(*a, **k)\n    inner.calls = 0\n    return inner",
        "def apply(f, items):\n    return items\ndef compose(f, g):\n    return g\n"
        "def count_calls(f):\n    return f",
        "assert apply(lambda v: v + 1, [1, 2]) == [2, 3]\nassert apply(str, [1]) == ['1']\n"
        "assert compose(math.sqrt, abs)(-9) == 3\n"
        "seen = []\n@count_calls\ndef f(x, y=1):\n    seen.append(x)\n    return x + y\n"
        "assert f(1) == 2 and f(2, y=5) == 7 and f.calls == 2 and seen == [1, 2]",
    ),
    "generators": Task(
        "def squares(n):\n    for i in range(n):\n        yield i * i\n"
        "class Countdown:\n    def __init__(self, n):\n        self.n = n\n"
        "    def __iter__(self):\n        return self\n    def __next__(self):\n"
        "        if self.n == 0:\n            raise StopIteration\n        self.n -= 1\n"
        "        return self.n",
        "def squares(n):\n    return n\nclass Countdown:\n    pass",
        "assert list(squares(4)) == [0, 1, 4, 9]\ng = squares(3)\n"
        "assert next(g) == 0 and next(g) == 1 and sum(g) == 4\n"
        "assert list(Countdown(3)) == [2, 1, 0] and [x for x in Countdown(2)] == [1, 0]",
    ),
    "partial": Task(
        "def f1():\n    return 1\ndef f2():\n    return 2\ndef f3():\n    return 3",
        "def f1():\n    return 1\ndef f2():\n    return 0\ndef f3():\n    return 3",
        "got = 0\nfor number, f in enumerate([f1, f2, f3], 1):\n    if f() == number:\n"
        "        got += 0.5\ngot",
        points=1.5,
        partly=1.0,
    ),
    "looked_at": Task(
        "def area(width, height=2):\n    '''Return the area.'''\n    return width * height",
        "def area(w):\n    return w * 2",
        "import inspect\nassert callable(area) and area.__name__ == 'area'\n"
        "assert 'area' in area.__doc__\n"
        "assert list(inspect.signature(area).parameters) == ['width', 'height']\n"
        "assert area(width=3) == 6 and area(*[2, 5]) == 10 and area(**{'width': 1}) == 2",
    ),
    "recursion": Task(
        "def fib(n, memo={}):\n    if n < 2:\n        return n\n    if n not in memo:\n"
        "        memo[n] = fib(n - 1) + fib(n - 2)\n    return memo[n]",
        "def fib(n):\n    return n",
        "assert [fib(i) for i in range(10)] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]\n"
        "assert fib(80) == 23416728348467685\nfor i in range(200):\n    assert fib(10) == 55",
    ),
    "files": Task(
        "def total(path):\n    with open(path) as file:\n"
        "        return sum(float(line) for line in file)\n"
        "def save(path, items):\n    with open(path, 'w') as file:\n"
        "        file.write('\\n'.join(map(str, items)))",
        "def total(path):\n    return 0\ndef save(path, items):\n    pass",
        "assert total('numbers.txt') == 6\nsave('out.txt', [1, 2])\n"
        "with open('out.txt') as file:\n    assert file.read() == '1\\n2'",
    ),
    "plot": Task(
        "import matplotlib.pyplot as plt\ndef draw():\n    fig, ax = plt.subplots()\n"
        "    ax.plot([1, 2, 3], [2, 4, 8], label='x')\n    ax.set_title('Growth')\n    return ax",
        "import matplotlib.pyplot as plt\ndef draw():\n    fig, ax = plt.subplots()\n    return ax",
        "ax = draw()\nassert ax.get_title() == 'Growth' and len(ax.lines) == 1\n"
        "assert list(ax.lines[0].get_ydata()) == [2, 4, 8]",
    ),
    "state": Task(
        "count = 0\ndef step():\n    global count\n    count += 1\n    return count",
        "count = 0\ndef step():\n    return 1",
        "before = count\nstep()\nstep()\nassert count == before + 2",
    ),
    "linked": Task(
        "def turned(head):\n    last = None\n    while head:\n"
        "        head.after, last, head = last, head, head.after\n    return last\n"
        "def ring(n):\n    first = node = Node(0)\n    for i in range(1, n):\n"
        "        node.after = Node(i)\n        node = node.after\n    node.after = first\n"
        "    return first\n"
        "def appended(head, value):\n    node = head\n    while node.after:\n"
        "        node = node.after\n    node.after = Node(value)",
        "def turned(head):\n    return head\ndef ring(n):\n    return Node(n)\n"
        "def appended(head, value):\n    pass",
        "def listed(node):\n    found = []\n    while node:\n"
        "        found.append(node.value)\n        node = node.after\n    return found\n"
        "assert listed(turned(Node(1, Node(2, Node(3))))) == [3, 2, 1]\n"
        "head = Node(1)\nappended(head, 2)\nappended(head, 3)\nassert listed(head) == [1, 2, 3]\n"
        "assert isinstance(head.after, Node) and type(head.after) is Node\n"
        "node = ring(3)\nfor wanted in [0, 1, 2, 0, 1]:\n    assert node.value == wanted\n"
        "    node = node.after",
    ),
    "mocked": Task(
        "def report(x):\n    print('x is', x)\n    return x\n"
        "def add_up():\n    return int(input()) + int(input())",
        "def report(x):\n    return x\ndef add_up():\n    return 0",
        "from unittest.mock import patch\n"
        "with patch('builtins.print') as printed:\n    assert report(3) == 3\n"
        "printed.assert_called_once_with('x is', 3)\n"
        "with patch('builtins.input', side_effect=['20', '22']):\n    assert add_up() == 42",
    ),
    "input": Task(
        "def ask():\n    return int(input('a number? ')) + 1",
        "def ask():\n    return 1",
        "from unittest.mock import patch\n"
        "with patch('builtins.input', return_value='41'):\n    assert ask() == 42",
    ),
    "hidden": Task(
        "def is_prime(n):\n    return n > 1 and all(n % i for i in range(2, n))",
        "def is_prime(n):\n    return n % 2 == 1",
        "assert is_prime(3) and not is_prime(4)\n### BEGIN HIDDEN TESTS\n"
        "for n, wanted in ((1, False), (2, True), (9, False), (97, True)):\n"
        "    assert is_prime(n) == wanted\n### END HIDDEN TESTS",
    ),
    "used_later": Task(
        "values = [3, 1, 2]\nbest = max(values)",
        "values = []\nbest = 0",
        "values.append(10)\ntop = sorted(values)[-1]\nassert top == 10 and best == 3",
    ),
    "used_later_still": Task(
        "def again():\n    return values[-1]",
        "def again():\n    return None",
        "assert again() == 10 and top == 10 and len(values) == 4",
    ),
}


def source_notebook() -> NotebookNode:
    """Return the instructor's notebook."""
    cells = [new_code_cell(GIVEN, metadata=role("given"))]
    for name, task in TASKS.items():
        body = f"### BEGIN SOLUTION\n{task.right}\n### END SOLUTION"
        cells += [
            new_code_cell(body, metadata=role(name, solution=True)),
            new_code_cell(task.test, metadata=role(f"test-{name}", task.points)),
        ]
    cells.append(new_markdown_cell("Why?", metadata=role("why", 3, solution=True)))
    cells.append(new_code_cell("# your own code", metadata=role("free", 4, solution=True)))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})
