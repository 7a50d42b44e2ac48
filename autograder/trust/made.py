"""Which objects a test has made itself, as its own text shows.

Such an object is asked whether it equals a value of the test, since that is what is tested.
What comes out of a call of student code is not, even where it is the same object: it would decide
whether it is the right result.
So the text has to tell: made are `Stack()`, a variable that is bound to nothing else, and what
arithmetic makes of these.
"""

import ast
from collections.abc import Iterable

MADE, MARK, DONE, TRUTH = "__made__", "__mark__", "__done__", "__truth__"


def made_variables(tree: ast.AST, earlier: Iterable[str] = ()) -> set[str]:
    """Return the variables that hold nothing but objects that the test makes.

    `earlier` are those of cells before, which count where this one does not bind them.
    """
    bindings = Bindings()
    bindings.visit(tree)
    found = {name for name, values in bindings.values.items() if None not in values}
    found |= set(earlier) - bindings.values.keys()
    while True:
        kept = {
            name
            for name in found
            if all(value and is_made(value, found) for value in bindings.values.get(name, ()))
        }
        if kept == found:
            return found
        found = kept


def is_made(node: ast.expr, variables: set[str]) -> bool:
    """Tell whether an expression makes an object, or is a variable that holds a made one."""
    if isinstance(node, ast.NamedExpr):
        return is_made(node.value, variables)
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
        return is_made(node.operand, variables)
    if isinstance(node, ast.BinOp):
        return is_made(node.left, variables) or is_made(node.right, variables)
    if isinstance(node, ast.Call):
        return _names_class(node.func)
    return variable(node) in variables


def variable(node: ast.expr) -> str | None:
    """Return the name of a variable, or of an attribute of `self`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"self.{node.attr}" if node.value.id == "self" else None
    return None


def _names_class(node: ast.expr) -> bool:
    """Tell whether a class is named, which is known by its capital letter."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.value.id == "student" and node.attr[:1].isupper()
    return isinstance(node, ast.Name) and node.id.lstrip("_")[:1].isupper()


class Bindings(ast.NodeVisitor):
    """Collects what each variable is bound to; None is what cannot be told."""

    def __init__(self) -> None:
        self.values: dict[str, list[ast.expr | None]] = {}

    def bind(self, target: ast.AST | None, value: ast.expr | None) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            parts: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(parts):
                parts = [None if isinstance(v, ast.Starred) else v for v in value.elts]
            for inner, part in zip(target.elts, parts, strict=True):
                self.bind(inner, part)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, None)
        elif isinstance(target, ast.expr):
            name = variable(target)
            if name is not None:
                self.values.setdefault(name, []).append(value)

    def bind_name(self, name: str | None) -> None:
        if name is not None:
            self.values.setdefault(name, []).append(None)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.bind(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, node.value)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.bind(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        literal = isinstance(node.iter, ast.List | ast.Tuple | ast.Set)
        for value in node.iter.elts if literal and node.iter.elts else [None]:  # type: ignore[attr-defined]
            self.bind(node.target, None if isinstance(value, ast.Starred) else value)
        self.generic_visit(node)

    visit_AsyncFor = visit_comprehension = visit_For  # noqa: N815

    def visit_withitem(self, node: ast.withitem) -> None:
        self.bind(node.optional_vars, None)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self.bind_name(node.arg)

    def visit_FunctionDef(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    ) -> None:
        self.bind_name(node.name)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef  # noqa: N815

    def visit_alias(self, node: ast.alias) -> None:
        self.bind_name(node.asname or node.name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> None:
        self.bind_name(node.name)
        self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = visit_ExceptHandler  # noqa: N815

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.bind_name(node.rest)
        self.generic_visit(node)


class MarkMade(ast.NodeTransformer):
    """Marks, where an operator is used, the operands that the test has made.

    `v == 3` becomes `__done__(__mark__(), __made__(v) == 3)`, so that the object is asked for the
    time of that one comparison; the truth of `v` is `__truth__(v)`.
    """

    def __init__(self, variables: set[str]) -> None:
        self.variables = variables

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        made = [self._made(operand) for operand in (node.left, *node.comparators)]
        self.generic_visit(node)
        if not any(made):
            return node
        left, *others = (
            _call(MADE, operand) if yes else operand
            for operand, yes in zip((node.left, *node.comparators), made, strict=True)
        )
        node.left, node.comparators = left, others
        return _done(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self._made(node.left), self._made(node.right)
        self.generic_visit(node)
        node.left = _call(MADE, node.left) if left else node.left
        node.right = _call(MADE, node.right) if right else node.right
        return _done(node) if left or right else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        made = [self._made(argument) for argument in node.args]
        self.generic_visit(node)
        if name == "bool" and made == [True]:
            return _call(TRUTH, node.args[0])
        if not name.startswith("assert") or not any(made):
            return node
        node.args = [
            _call(MADE, argument) if yes else argument
            for argument, yes in zip(node.args, made, strict=True)
        ]
        return _done(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            node.operand = self._truth(node.operand)
            return node
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Assert(self, node: ast.Assert | ast.If | ast.While | ast.IfExp) -> ast.AST:
        test = node.test
        node.test = ast.Constant(True)
        self.generic_visit(node)
        node.test = self._truth(test)
        return node

    visit_If = visit_While = visit_IfExp = visit_Assert  # noqa: N815

    def _truth(self, node: ast.expr) -> ast.expr:
        """Return an expression of which only the truth is used."""
        if isinstance(node, ast.BoolOp):
            node.values = [self._truth(value) for value in node.values]
            return node
        made = self._made(node)
        node = self.visit(node)
        return _call(TRUTH, node) if made else node

    def _made(self, node: ast.expr) -> bool:
        return not isinstance(node, ast.Starred) and is_made(node, self.variables)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    function = ast.Name(name, ast.Load())
    made = ast.copy_location(ast.Call(function, list(arguments), []), arguments[-1])
    return ast.fix_missing_locations(made)


def _done(node: ast.expr) -> ast.expr:
    mark = ast.copy_location(ast.Call(ast.Name(MARK, ast.Load()), [], []), node)
    return _call(DONE, ast.fix_missing_locations(mark), node)
