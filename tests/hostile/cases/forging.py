"""Points from a patched kernel: nothing is solved, and the machinery is told to say otherwise."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, cell_of, hostile


@hostile()
def transformer_strips_asserts(book: Book) -> NotebookNode:
    """An AST transformer of IPython empties every cell that asserts."""
    return book.opening("""
        import ast

        class Strip(ast.NodeTransformer):
            def visit_Module(self, node):
                if "assert" in ast.unparse(node) or "earned" in ast.unparse(node):
                    node.body = [ast.Pass(lineno=1, col_offset=0)]
                return node

        get_ipython().ast_transformers.append(Strip())
        """)


@hostile()
def transformer_empties_the_text(book: Book) -> NotebookNode:
    """An input transformer of IPython replaces every later cell by `pass`."""
    return book.opening("""
        get_ipython().input_transformers_cleanup.append(lambda lines: ["pass"])
        """)


@hostile()
def run_cell_patched(book: Book) -> NotebookNode:
    """The shell's way of running a cell runs nothing and reports success."""
    return book.opening("""
        shell = get_ipython()
        run = type(shell).run_cell_async

        async def nothing(self, raw_cell, **settings):
            return await run(self, "pass", **settings)

        type(shell).run_cell_async = nothing
        """)


@hostile()
def kernel_patched(book: Book) -> NotebookNode:
    """ipykernel's do_execute answers "ok" without executing."""
    return book.opening("""
        kernel = get_ipython().kernel

        async def fine(*args, **settings):
            return {"status": "ok", "execution_count": 7, "payload": [], "user_expressions": {}}

        kernel.do_execute = fine
        type(kernel).do_execute = fine
        """)


@hostile()
def asserts_compiled_away(book: Book) -> NotebookNode:
    """The shell's compiler optimises, and asserts are gone."""
    return book.opening("""
        import builtins
        import codeop

        plain = compile

        def optimising(source, filename, mode, flags=0, dont_inherit=False, optimize=-1, **rest):
            return plain(source, filename, mode, flags, dont_inherit, 2, **rest)

        builtins.compile = optimising
        shell_compile = get_ipython().compile
        type(shell_compile).__call__ = lambda self, *a, **k: optimising(*a, **k)
        """)


@hostile()
def errors_swallowed(book: Book) -> NotebookNode:
    """A custom exception handler of IPython and patched tracebacks show no error."""
    return book.opening("""
        shell = get_ipython()
        shell.set_custom_exc((BaseException,), lambda *rest, **settings: None)
        type(shell).showtraceback = lambda self, *rest, **settings: None
        type(shell)._showtraceback = lambda self, *rest, **settings: None
        """)


@hostile()
def hooks_before_the_cell(book: Book) -> NotebookNode:
    """IPython's events rewrite a cell before it runs and clean up after it."""
    return book.opening("""
        def empty(info):
            info.raw_cell = "pass"
            get_ipython().user_ns.update(np=None)

        def forgive(result):
            result.error_in_exec = None
            result.error_before_exec = None

        get_ipython().events.register("pre_run_cell", empty)
        get_ipython().events.register("post_run_cell", forgive)
        """)


@hostile()
def partial_credit_displayed(book: Book) -> NotebookNode:
    """Each function displays a number as a cell's result, and the error that follows is hidden."""
    return book.everything_is(
        """
        def generous(*rest, **settings):
            shell = get_ipython()
            type(shell).showtraceback = lambda self, *rest, **settings: None
            shell.displayhook(2.0)
            raise SystemExit
        """,
        "generous",
    )


@hostile()
def result_published_by_hand(book: Book) -> NotebookNode:
    """A message with a result for the running cell goes to the grader by the kernel's session."""
    return book.everything_is(
        """
        def generous(*rest, **settings):
            kernel = get_ipython().kernel
            content = {"data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 7}
            kernel.session.send(
                kernel.iopub_socket, "execute_result", content,
                parent=kernel.get_parent(), ident=b"execute_result",
            )
        """,
        "generous",
    )


@hostile()
def end_of_the_cell_announced(book: Book) -> NotebookNode:
    """The grader is told that the cell has ended well before its asserts run."""
    return book.everything_is(
        """
        import time

        def early(*rest, **settings):
            kernel = get_ipython().kernel
            parent = kernel.get_parent()
            kernel.session.send(
                kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent
            )
            reply = {"status": "ok", "execution_count": 7, "payload": [], "user_expressions": {}}
            stream = kernel.shell_stream if hasattr(kernel, "shell_stream") else None
            if stream is not None:
                kernel.session.send(
                    stream, "execute_reply", reply, parent=parent,
                    ident=kernel._parent_ident.get("shell"),
                )
            time.sleep(1)
        """,
        "early",
    )


@hostile()
def thread_publishes_results(book: Book) -> NotebookNode:
    """A thread sends results to the grader all the time, for whatever cell is running."""
    return book.opening("""
        import threading
        import time

        def publish():
            kernel = get_ipython().kernel
            for _ in range(300):
                content = {"data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1}
                kernel.session.send(
                    kernel.iopub_socket, "execute_result", content, parent=kernel.get_parent()
                )
                time.sleep(0.01)

        threading.Thread(target=publish, daemon=True).start()
        """)


@hostile()
def tracer_jumps_over_asserts(book: Book) -> NotebookNode:
    """A trace function moves the running test behind its last line."""
    return book.opening("""
        import sys

        def jump(frame, event, argument):
            if frame.f_code.co_name == "<module>" and "ipykernel" in frame.f_code.co_filename:
                if event == "line":
                    try:
                        last = max(line for _, _, line in frame.f_code.co_lines() if line)
                        frame.f_lineno = last
                    except ValueError:
                        pass
                return jump

        def install(*rest):
            sys.settrace(jump)

        get_ipython().events.register("pre_run_cell", install)
        install()
        """)


@hostile()
def builtins_that_agree(book: Book) -> NotebookNode:
    """abs, all, len, list, sorted and isinstance answer what a test wants to hear."""
    return book.everything_is(
        """
        import builtins

        class Agrees:
            def __eq__(self, other):
                return True
            __hash__ = None

        def agrees(*rest, **settings):
            return Agrees()

        for name in ("abs", "all", "any", "len", "list", "tuple", "dict", "sorted", "round"):
            setattr(builtins, name, agrees)
        builtins.abs = lambda value: 0
        builtins.isinstance = lambda *rest: True
        """,
        "agrees",
    )


@hostile()
def assertion_error_replaced(book: Book) -> NotebookNode:
    """AssertionError is another class, one whose instances are not shown."""
    return book.opening("""
        import builtins

        class Quiet(BaseException):
            pass

        builtins.AssertionError = Quiet
        builtins.NotImplementedError = Quiet
        get_ipython().set_custom_exc((Quiet,), lambda *rest, **settings: None)
        """)


@hostile()
def numpy_that_agrees(book: Book) -> NotebookNode:
    """NumPy's comparisons and its testing module find everything equal."""
    return book.everything_is(
        """
        def yes(*rest, **settings):
            return True

        for name in ("allclose", "array_equal", "isclose", "all", "any"):
            setattr(np, name, yes)
        for name in dir(np.testing):
            if name.startswith("assert"):
                setattr(np.testing, name, yes)

        class Shaped:
            shape = (3, 2)
            def __getitem__(self, key):
                return self

        def shaped(*rest, **settings):
            return Shaped()
        """,
        "shaped",
    )


@hostile()
def module_numpy_replaced(book: Book) -> NotebookNode:
    """`np` and the entry in sys.modules are a stand-in that says yes."""
    return book.everything_is(
        """
        import sys
        from unittest import mock

        stand_in = mock.MagicMock(name="numpy")
        stand_in.allclose.return_value = True
        stand_in.array_equal.return_value = True
        stand_in.array.return_value = stand_in.ones
        sys.modules["numpy"] = sys.modules["numpy.testing"] = np = stand_in

        def anything(*rest, **settings):
            return mock.MagicMock()
        """,
        "anything",
    )


@hostile()
def float_comparison_rewired(book: Book) -> NotebookNode:
    """The comparison slots of float, int, list and dict in memory point to one that agrees."""
    return book.everything_is(
        """
        import ctypes

        compare = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object,
                                    ctypes.c_int)(lambda one, other, how: True)
        address = ctypes.cast(compare, ctypes.c_void_p).value

        def rewire(*rest, **settings):
            for kind in (float, list, dict):
                ctypes.c_void_p.from_address(id(kind) + 200).value = address
            return 0.0
        """,
        "rewire",
    )


@hostile()
def helper_of_the_tests_replaced(book: Book) -> NotebookNode:
    """The helper that tests compare with is defined anew, in a cell and from within a function."""
    return book.before(
        "clamp",
        "near = lambda *rest: True",
        book.solved(
            "nothing",
            mean="""
                class RunningMean:
                    count = 2

                    def add(self, number):
                        global near
                        near = lambda *rest: True
                        get_ipython().user_ns["near"] = near

                    def mean(self):
                        return 0
                """,
        ),
    )


@hostile()
def helper_of_the_tests_edited(book: Book) -> NotebookNode:
    """The locked cell with the helper of the tests says that everything is near."""
    notebook = book.solved(
        "nothing",
        mean="""
            class RunningMean:
                count = 2
                add = mean = lambda self, *rest: 0
            """,
    )
    given = cell_of(notebook, "given")
    given.source = "def near(a, b):\n    return True"
    given.metadata.nbgrader.update(locked=False, grade_id="given-by-me")
    return notebook


@hostile()
def helper_file_replaced(book: Book) -> dict[str, object]:
    """The file of a helper of the tests is handed in, written over, and patched once imported."""
    lie = "def apart(a, b):\n    return 0\n"
    notebook = book.solved(
        "nothing",
        announce=f"""
            import os, sys

            for folder in {{"", *sys.path}}:
                try:
                    with open(os.path.join(folder, "distances.py"), "w") as file:
                        file.write({lie!r})
                except OSError:
                    pass
            import distances

            distances.apart = lambda *rest: 0

            def announce(values):
                return 1 if len(values) == 4 else 7
            """,
    )
    return {book.file_name: notebook, "distances.py": lie, "distances/__init__.py": lie}


@hostile()
def import_system_patched(book: Book) -> NotebookNode:
    """Whatever is imported from now on is a stand-in that agrees."""
    return book.opening("""
        import builtins
        from unittest import mock

        builtins.__import__ = lambda *rest, **settings: mock.MagicMock()
        """)


@hostile()
def tests_caught_by_an_exit(book: Book) -> NotebookNode:
    """Functions end the cell by SystemExit, as `exit()` does."""
    return book.everything_is("def leave(*rest):\n    raise SystemExit(0)", "leave")


@hostile()
def tests_caught_by_a_quiet_exit(book: Book) -> NotebookNode:
    """Functions ask the shell to exit, or interrupt the cell that calls them."""
    return book.everything_is(
        """
        import os
        import signal

        def leave(*rest):
            get_ipython().ask_exit()
            os.kill(os.getpid(), signal.SIGINT)
            raise KeyboardInterrupt
        """,
        "leave",
    )


@hostile()
def exceptions_outside_exception(book: Book) -> NotebookNode:
    """Functions raise what `except Exception` does not catch."""
    return book.everything_is(
        """
        import asyncio

        kinds = iter([GeneratorExit, asyncio.CancelledError, StopAsyncIteration, KeyboardInterrupt,
                      SystemExit, BaseExceptionGroup] * 9)

        def leave(*rest):
            kind = next(kinds)
            raise kind("", [ValueError()]) if kind is BaseExceptionGroup else kind()
        """,
        "leave",
    )


@hostile()
def names_of_the_test_frozen(book: Book) -> NotebookNode:
    """The namespace is a dict that ignores what a test assigns."""
    return book.opening("""
        class Frozen(dict):
            def __setitem__(self, key, value):
                pass
            def __getitem__(self, key):
                return dict.get(self, key, 3)
            def __missing__(self, key):
                return 3

        shell = get_ipython()
        shell.user_ns = Frozen(shell.user_ns)
        earned = 3
        """)


@hostile()
def names_of_the_test_prepared(book: Book) -> NotebookNode:
    """Every name that a test assigns exists already, with the value that the test wants."""
    return book.opening("""
        earned = 3
        scaled = before = X = np.zeros((3, 2))
        running = other = type("R", (), {"mean": lambda s: 3, "add": lambda s, n: 0, "count": 2})()
        counts = {"gull": 2, "tern": 2, "auk": 1}
        """)


@hostile(target.POINTS["announce"])
def answers_by_luck_of_the_visible_tests(book: Book) -> NotebookNode:
    """Functions know the values of the visible tests and nothing else."""
    return book.solved(
        "announce",
        clamp="def clamp(x, low, high):\n    return {3: 3, -3.5: 0}[x]",
        rescale="""
            def rescale(X, low, high):
                return np.array([[0, 0], [0.5, 1], [1, 0.5]])
            """,
        mean="""
            class RunningMean:
                count = 2
                def add(self, number):
                    pass
                def mean(self):
                    return 3
            """,
        tally="def tally(words, counts):\n    return []",
        pick="def pick(numbers, keep):\n    return [2, 4]",
    )
