"""A test's text tells which objects it made itself; only those are asked what they equal."""

import ast

import pytest

from autograder.trust.made import MarkMade, made_variables


def made(source, earlier=()):
    return made_variables(ast.parse(source), earlier)


def marked(source, *variables):
    return ast.unparse(MarkMade(set(variables)).visit(ast.parse(source)))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("s = Stack()", {"s"}),
        ("s = t = Stack()", {"s", "t"}),
        ("s: Stack = Stack()", {"s"}),
        ("(s := Stack())", {"s"}),
        ("a, b = Vec(1), Vec(2)", {"a", "b"}),
        ("[a, b] = Vec(1), 5", {"a"}),
        ("v = Vec(1) + Vec(2)\nw = v * 2\nu = -w", {"v", "w", "u"}),
        ("v = Vec(1)\nw = 2 * v", {"v", "w"}),
        ("for v in [Vec(1), Vec(2)]: pass", {"v"}),
        ("x = [v == 1 for v in (Vec(1),)]", {"v"}),
        ("def test():\n    s = Stack()", {"s"}),
        ("class T:\n    def setUp(self):\n        self.s = Stack()", {"self.s"}),
        ("def check(student):\n    s = student.Stack()", {"s"}),
        ("s = Stack()\ns = Stack()", {"s"}),
        ("s = Stack()\ns.push(1).push(2)", {"s"}),
        ("n = 1\nn += 1\nv = Vec()\nv += Vec()", {"v"}),
    ],
)
def test_a_variable_that_is_bound_to_nothing_else_holds_a_made_object(source, names):
    assert made(source) - {"test", "T", "check", "student", "self", "x"} == names


@pytest.mark.parametrize(
    "binding",
    [
        "s = f()", "s = s.pop()", "s = Stack().pop()", "s = Stack", "s = stack()", "s = [Stack()]",
        "s = x.Stack()", "s = Stack().Inner()", "s, t = f()", "s, *t = f()", "*s, t = 1, 2",
        "for s in f(): pass", "for s in [*f()]: pass", "with Stack() as s: pass", "s = other",
        "def s(): pass", "class s: pass", "import s", "from x import y as s", "x = lambda s: 1",
        "def f(s): pass", "def f(*s): pass", "def f(*, s=Stack()): pass", "[s for s in f()]",
        "try: pass\nexcept E as s: pass", "match x:\n    case s: pass", "s = Stack() or f()",
        "match x:\n    case [*s]: pass", "match x:\n    case {**s}: pass",
        "s = Stack() if x else 1", "s = not Stack()",
        "s = Stack()[0]", "s = Stack().value", "s = (Stack(), 1)[0]",
    ],
)  # fmt: skip
def test_any_other_binding_of_it_ends_that(binding):
    assert "s" not in made(binding)
    assert "s" not in made(f"s = Stack()\n{binding}")
    assert "s" not in made(f"{binding}\ns = Stack()")


def test_variables_of_earlier_cells_count_until_they_are_bound_again():
    assert made("assert s == 1", {"s"}) == {"s"}
    assert made("s = f()", {"s"}) == set()
    assert made("t = s + 1", {"s"}) == {"s", "t"}


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("v == 3", "__done__(__mark__(), __made__(v) == 3)"),
        ("3 in v", "__done__(__mark__(), 3 in __made__(v))"),
        ("1 < v < 3", "__done__(__mark__(), 1 < __made__(v) < 3)"),
        ("Vec(1) == 3", "__done__(__mark__(), __made__(Vec(1)) == 3)"),
        ("v * 2", "__done__(__mark__(), __made__(v) * 2)"),
        ("v @ w", "__done__(__mark__(), __made__(v) @ w)"),
        ("bool(v)", "__truth__(v)"),
        ("assert v", "assert __truth__(v)"),
        ("assert not v", "assert not __truth__(v)"),
        ("assert v and w", "assert __truth__(v) and w"),
        ("if v:\n    v == 3", "if __truth__(v):\n    __done__(__mark__(), __made__(v) == 3)"),
        ("x = 1 if v else 2", "x = 1 if __truth__(v) else 2"),
        ("t.assertEqual(v, 3)", "__done__(__mark__(), t.assertEqual(__made__(v), 3))"),
    ],
)
def test_operators_of_made_objects_are_marked(source, result):
    assert marked(source, "v") == result


@pytest.mark.parametrize(
    "source",
    [
        "w == 3", "v.x == 3", "v.pop() == 3", "v[0] == 3", "f(v) == 3", "[v] == [3]", "len(v) == 3",
        "assert w", "assert v.pop()", "assert f(v)", "assert any([v])", "x = v or w", "-v", "f(v)",
        "print(v)", "t.assertEqual(v.pop(), 3)", "t.assertEqual(*v)", "bool(w)", "v.x and 1",
    ],
)  # fmt: skip
def test_others_are_not(source):
    assert marked(source, "v") == ast.unparse(ast.parse(source))


def test_lines_stay_where_they_are():
    tree = MarkMade({"v"}).visit(ast.parse("\n\nassert (v ==\n        3)"))
    assert {node.lineno for node in ast.walk(tree) if isinstance(node, ast.Compare)} == {3}
    compile(tree, "<test>", "exec")
