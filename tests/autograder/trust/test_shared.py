"""Objects of library classes that both sides have cross by their state; withheld classes do not."""

import sys

import numpy as np
import pytest

from autograder.trust.codec import Decoder, Encoder
from autograder.trust.frames import ChannelError
from autograder.trust.shared import Shared

LIBRARY = {
    "__init__.py": "",
    "given.py": """
class Box:
    kind = "box"
    def __init__(self, size): self.size = size; self.items = []
    def volume(self): return self.size**3
    @property
    def area(self): return 6 * self.size**2
    def __eq__(self, other): return type(other) is Box and vars(self) == vars(other)
    class Lid:
        def __init__(self): self.open = True
class Problem(ValueError): pass
class Counted(int): pass
def function(): pass
""",
    "taught.py": """
class Answer:
    def __init__(self, value): self.value = value
    def __eq__(self, other): return isinstance(other, Answer) and self.value == other.value
    __hash__ = None
""",
}
CELLS = """
from given_library.given import Box, Problem, Counted
import given_library.given as given
def make(size): return Box(size)
def grow(box): box.size += 1; box.items.append(box.size)
def nested(): return {"boxes": [Box(1), Box(2)]}
def lid(): return Box.Lid()
def same(x): return x
def fail(): raise Problem("full")
class Bigger(Box): pass
def bigger(): return Bigger(2)
def counted(): return Counted(5)
def forged_answer():
    Answer = type("Answer", (), {"__eq__": lambda s, o: True, "__hash__": None})
    Answer.__module__ = "given_library.taught"
    return Answer()
def forged_box():
    box = Box(2)
    box.__dict__["volume"] = lambda: 27
    return box
def lying_box():
    box = Box(2)
    box.size = type("Liar", (), {"__eq__": lambda s, o: True, "__hash__": None})()
    return box
def size_is(x): return isinstance(x, Box), type(x) is Box, x.size
class Answer:
    def __init__(self, value): self.value = value
    def __eq__(self, other): return self.value == other.value
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A package that both sides can import, all of whose modules are there."""
    (tmp_path / "given_library").mkdir()
    for name, text in LIBRARY.items():
        (tmp_path / "given_library" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("given_library")]:
        del sys.modules[name]


@pytest.fixture
def marked(judge, library):
    return judge(CELLS, packages=["given_library"], withheld=["given_library.taught"])


IMPORTS = "from given_library.given import Box, Problem\nfrom given_library import taught\n"
HOLDS = [
    "assert make(3) == Box(3) and type(make(3)) is Box and make(3).volume() == 27",
    "box = Box(1)\ngrow(box)\ngrow(box)\nassert box.size == 3 and box.items == [2, 3]",
    "box = Box(1)\nitems = box.items\ngrow(box)\nassert items == [2] and box.items is items",
    "assert nested() == {'boxes': [Box(1), Box(2)]}",
    "assert type(lid()) is Box.Lid and lid().open",
    "box = Box(1)\nassert same(box) is box and same([box])[0] == box",
    "assert same(Box) is Box",
    "try: fail()\nexcept Problem as e: assert str(e) == 'full'\nelse: assert 0",
    "assert isinstance(bigger(), Box) and bigger().size == 2 and bigger().volume() == 8",
    "assert size_is(Box(4)) == (True, True, 4)",
    "assert Answer(3).value == 3 and not isinstance(Answer(3), taught.Answer)",
]
FAILS = [
    "assert make(3) == Box(4)",
    "assert bigger() == Box(2)",
    "assert forged_answer() == taught.Answer(3)",
    "assert isinstance(forged_answer(), taught.Answer)",
    "assert taught.Answer(3) == forged_answer()",
    "assert forged_box().volume() == 27",
    "assert lying_box().size == 3",
    "assert lying_box() == Box(3)",
    "assert Answer(3) == 3",
]


@pytest.mark.parametrize("test", HOLDS)
def test_shared_objects_are_the_same_on_both_sides(marked, test):
    verdict = marked.test(IMPORTS + test)
    assert verdict["passed"], verdict


@pytest.mark.parametrize("test", FAILS)
def test_what_only_claims_to_be_one_decides_nothing(marked, test):
    assert not marked.passes(IMPORTS + test)


def test_without_packages_nothing_is_shared(judge, library):
    marked = judge(CELLS)
    assert not marked.passes(IMPORTS + "assert make(3) == Box(3)")
    assert marked.passes("assert make(3).volume() == 27")


@pytest.fixture
def shared(library):
    return Shared(("given_library",), ("given_library.taught",))


def decode(shared, *rest):
    return shared.decode(list(rest), Decoder([], lambda tag, rest, decoder: None))


@pytest.mark.parametrize(
    "name",
    [
        "given_library.taught:Answer",
        "given_library.given:function",
        "given_library.given:Missing",
        "given_library.missing:Box",
        "given_library.given:Box.volume",
        "given_library.given",
        "given_library_of_mine:Box",
        "os:system",
        "socket:socket",
        "subprocess:Popen",
        "builtins:object",
        "autograder.trust.shared:Shared",
        "",
        5,
        None,
    ],
)
def test_only_classes_of_shared_modules_can_be_made(shared, name):
    with pytest.raises(ChannelError, match="may not be passed"):
        decode(shared, name, [])


@pytest.mark.parametrize("key", ["volume", "area", "__eq__", "__init__"])
def test_a_state_cannot_hide_a_method(shared, key):
    with pytest.raises(ChannelError, match="hides a method"):
        decode(shared, "given_library.given:Box", [[key, 5]])


def test_a_state_may_hide_a_value_of_the_class(shared):
    assert decode(shared, "given_library.given:Box", [["kind", "crate"]]).kind == "crate"


def test_a_class_that_keeps_its_state_elsewhere_is_not_made(shared):
    with pytest.raises((ChannelError, TypeError)):
        decode(shared, "given_library.given:Counted", [])


def test_no_code_of_the_class_runs_when_one_is_made(shared):
    made = decode(shared, "given_library.given:Box", [["size", 5]])
    assert vars(made) == {"size": 5}


def test_tensors_cross_with_their_gradient_and_without_their_history():
    from tinytorch.core.tensor import Tensor

    shared = Shared(("tinytorch",))
    tensor = Tensor([1.0, 2.0], requires_grad=True)
    (tensor * tensor).sum().backward()
    result = tensor * 3
    for value in (tensor, result):
        encoder = Encoder(shared.encode)
        _, *rest = encoder.encode(value)
        found = shared.decode(rest, Decoder(encoder.blobs, shared.decode))
        assert type(found) is Tensor
        np.testing.assert_array_equal(found.data, value.data)
        assert found.requires_grad == value.requires_grad
    assert found.grad is None


@pytest.mark.parametrize("data", [5, [1, 2], None, "text"])
def test_a_tensor_without_an_array_is_refused(data):
    encoder = Encoder(lambda value, encoder: None)
    with pytest.raises(ChannelError, match="without an array"):
        decode(Shared(("tinytorch",)), "tinytorch.core.tensor:Tensor",
               [["data", encoder.encode(data)]])  # fmt: skip


def test_a_tensor_that_student_code_changes_is_changed_in_the_test(judge):
    test = (
        "from tinytorch.core.tensor import Tensor\n"
        "t = Tensor([1.0, 2.0])\n"
        "view = t.data\n"
        "step(t)\n"
        "assert t.data.tolist() == [2.0, 4.0] and view[0] == 2.0"
    )
    assert judge("def step(t): t.data *= 2", packages=["tinytorch"]).passes(test)


GIVEN = """
class Point:
    def __init__(self, x): self.x = x; self.next = None
    def __eq__(self, other): return type(other) is Point and self.x == other.x
class Strange(dict): pass
"""


def test_objects_of_a_locked_cell_s_class_cross_by_their_state(judge):
    cells = GIVEN + "def make(x): return Point(x)\ndef move(p): p.x += 1\n"
    marked = judge(cells, given=["Point"])
    marked.checker.obey({"do": "define", "source": GIVEN, "owned": []})
    assert marked.passes("assert make(3) == Point(3) and type(make(3)) is Point")
    assert marked.passes("p = Point(1)\nmove(p)\nassert p.x == 2")
    assert not marked.passes("assert make(3) == Point(4)")


def test_a_student_s_own_version_of_such_a_class_decides_nothing(judge):
    lie = "class Point:\n    def __init__(self, x): pass\n    def __eq__(self, o): return True\n"
    marked = judge(f"{lie}def make(x): return Point(x)", given=["Point"])
    marked.checker.obey({"do": "define", "source": GIVEN, "owned": []})
    assert not marked.passes("assert make(3) == Point(3)")


def test_rings_of_such_objects_and_other_kinds_are_proxies(judge):
    cells = GIVEN + "def ring():\n    p = Point(1)\n    p.next = p\n    return p\n"
    marked = judge(cells + "def strange(): return Strange(a=1)", given=["Point", "Strange"])
    marked.checker.obey({"do": "define", "source": GIVEN, "owned": []})
    assert marked.passes("p = ring()\nassert p.x == 1 and p.next.next.x == 1 and p.next is p")
    assert marked.passes("assert strange()['a'] == 1")
