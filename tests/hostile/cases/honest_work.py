"""Right work that does something unusual on the way, and must keep its points for all that."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, cell_of, honest, hostile

EARLIER = float(sum(points for name, points in target.POINTS.items() if name != "announce"))


@honest()
def nothing_unusual(book: Book) -> NotebookNode:
    """Right work."""
    return book.solved()


@honest(0)
def nothing_done(book: Book) -> NotebookNode:
    """The release, as it is."""
    return book.untouched()


@honest(float(target.POINTS["clamp"] + target.POINTS["pick"]))
def two_tasks_done(book: Book) -> NotebookNode:
    """Two right answers, the others left alone."""
    return book.solved("clamp", "pick")


@honest(target.FULL - 1)
def partial_credit(book: Book) -> NotebookNode:
    """The new words come unsorted, which costs one of three points."""
    answer = book.answers("tally").replace("new = sorted(", "new = list(")
    answer = answer.replace("return new", "return new[::-1] + ['gull']")
    return book.solved(tally=answer)


@honest()
def warnings_in_right_code(book: Book) -> NotebookNode:
    """Functions warn, log and write to stderr, and return the right thing."""
    noise = (
        "import logging\nimport sys\nimport warnings\n\n\ndef noise():\n"
        "    warnings.warn('careful')\n    logging.warning('careful')\n"
        "    print('x', file=sys.stderr)"
    )
    return book.opening(noise, noisy(book, "noise()"))


def noisy(book: Book, line: str) -> NotebookNode:
    """Return right work in which every function first does `line`."""
    own = {}
    for name in target.POINTS:
        lines = target.body(name).split("\n")
        if name == "mean":
            lines = [
                text for old in lines
                for text in ([old, f"    {line}"] if old.startswith("def") else [old])
            ]  # fmt: skip
        else:
            lines.insert(0, line)
        own[name] = target.filled(name, lines)
    return book.solved(**own)


@honest()
def numpy_warnings_in_right_code(book: Book) -> NotebookNode:
    """A division by zero, which NumPy warns about, on the way to the right answer."""
    return noisy(book, "np.float64(1) / np.float64(0)")


@honest()
def prints_in_right_code(book: Book) -> NotebookNode:
    """Functions print what they do."""
    return noisy(book, "print('here I am', 42)")


@honest()
def numbers_displayed_in_right_code(book: Book) -> NotebookNode:
    """Functions display a number, which stock nbgrader takes for partial credit."""
    return noisy(book, "display(0.5); get_ipython().displayhook(99)")


@honest()
def input_in_right_code(book: Book) -> NotebookNode:
    """A forgotten input() in a cell and in a function that has a try around it."""
    line = "exec('try:\\n    input()\\nexcept Exception:\\n    pass')"
    return book.opening("name = input('who are you? ')", noisy(book, line))


@honest()
def one_huge_line_beside_right_code(book: Book) -> NotebookNode:
    """100 MB on one line, printed once by accident."""
    return book.closing("print('x' * 10**8)")


@honest()
def many_displays_beside_right_code(book: Book) -> NotebookNode:
    """20,000 displays in a cell, before the last task."""
    return book.before("announce", "for number in range(20_000):\n    display(number)")


@honest()
def many_lines_in_a_tested_function(book: Book) -> NotebookNode:
    """A right function prints ten thousand lines while it is tested."""
    return noisy(book, "print('line\\n' * 10_000)")


@honest()
def figures_in_right_code(book: Book) -> NotebookNode:
    """A plot in a cell and one in a tested function."""
    answer = book.answers("announce").replace(
        "    values = list(values)",
        "    values = list(values)\n    plt.figure()\n    plt.plot(values)",
    )
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    return book.opening(code, book.solved(announce=answer))


@honest(EARLIER)
def kernel_dies_before_the_last_task(book: Book) -> NotebookNode:
    """A crash before the last task costs that task alone."""
    notebook: NotebookNode = book.before("announce", "import ctypes\nctypes.string_at(0)")
    return notebook


@honest(EARLIER)
def memory_used_up_before_the_last_task(book: Book) -> NotebookNode:
    """A process killed for its memory before the last task costs that task alone."""
    code = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    notebook: NotebookNode = book.before("announce", code)
    return notebook


@honest()
def error_between_tasks(book: Book) -> NotebookNode:
    """Cells of the student's own that raise."""
    notebook = book.before("tally", "print(undefined)")
    return book.opening("1 / 0", notebook)


@honest()
def loop_interrupted_between_tasks(book: Book) -> NotebookNode:
    """A cell that runs out of time costs no points of right work."""
    notebook: NotebookNode = book.before("announce", "while True:\n    pass")
    return notebook


@honest()
def builtins_shadowed_by_accident(book: Book) -> NotebookNode:
    """Variables called list, sum, max, abs and len, after the functions were written."""
    names = "list = [1, 2]\nsum = 3\nabs = -1\nlen = 2\nsorted = None\n"
    own = book.answers("announce").replace("list(values)", "[*values]")
    rebound = book.solved(announce=own, tally=book.answers("tally").replace("sorted(", "__sorted("))
    cell_of(rebound, "tally").source = "__sorted = sorted\n" + cell_of(rebound, "tally").source
    notebook: NotebookNode = book.before("test-announce", names, rebound)
    return notebook


@honest()
def names_of_the_tests_used(book: Book) -> NotebookNode:
    """The student has variables called X, scaled, running, earned and counts."""
    code = "X = scaled = running = earned = counts = hidden = before = other = asked = None"
    return book.opening(code, book.before("announce", code))


@honest()
def numpy_numbers_returned(book: Book) -> NotebookNode:
    """np.float64, np.int64 and tuples where Python's own numbers and lists would do."""
    own = {
        "clamp": book.answers("clamp").replace("return max", "return np.float64(max")[:-1] + "))",
        "announce": book.answers("announce").replace("return values", "return np.int64(values")
        + ")",
    }
    return book.solved(**own)


@honest()
def helpers_and_decorators(book: Book) -> NotebookNode:
    """Helpers in cells of their own, a decorator, a cache, a closure, a lambda, a global."""
    return book.opening(
        """
        import functools

        LIMIT = 10**9

        def logged(function):
            @functools.wraps(function)
            def inner(*rest, **settings):
                global LIMIT
                LIMIT -= 1
                return function(*rest, **settings)
            return inner
        """,
        book.solved(
            clamp="""
                @logged
                @functools.lru_cache
                def clamp(x, low, high):
                    if low > high:
                        raise ValueError(f"{low} is above {high}")
                    return sorted((low, x, high))[1]
                """,
            announce="""
                announce = logged(lambda values: (print(max(values)), values.index(max(values)))[1])
                """,
        ),
    )


@honest()
def classes_written_another_way(book: Book) -> NotebookNode:
    """A dataclass with a property, slots and operators of its own."""
    return book.solved(
        mean="""
            from dataclasses import dataclass, field

            @dataclass(slots=True)
            class RunningMean:
                numbers: list = field(default_factory=list)

                @property
                def count(self):
                    return len(self.numbers)

                def add(self, number):
                    self.numbers.append(number)
                    return self

                def mean(self):
                    return sum(self.numbers) / self.count

                def __len__(self):
                    return self.count

                def __eq__(self, other):
                    return self.numbers == other.numbers
            """
    )


@honest()
def collections_of_other_kinds(book: Book) -> NotebookNode:
    """A list in the place of a generator, a map object, and a subclass of Counter on the way."""
    return book.solved(
        pick="def pick(numbers, keep):\n    return filter(keep, numbers)",
        tally="""
            from collections import Counter

            class Bag(Counter):
                pass

            def tally(words, counts):
                new = sorted(set(words) - counts.keys())
                bag = Bag(counts)
                bag.update(words)
                counts.update(bag)
                return new
            """,
    )


@honest()
def own_error_class(book: Book) -> NotebookNode:
    """A subclass of ValueError of the student's own is raised where ValueError is asked for."""
    return book.solved(
        clamp="""
            class BoundsError(ValueError):
                def __init__(self, low, high):
                    super().__init__(f"{low} > {high}")

            def clamp(x, low, high):
                if low > high:
                    raise BoundsError(low, high)
                return max(low, min(x, high))
            """
    )


@honest()
def random_numbers_and_threads(book: Book) -> NotebookNode:
    """A seeded generator, a thread pool and a coroutine do part of the work."""
    return book.solved(
        announce="""
            import random
            from concurrent.futures import ThreadPoolExecutor

            random.seed(3)

            def announce(values):
                values = [*values]
                with ThreadPoolExecutor(2) as pool:
                    largest = pool.submit(max, values).result()
                print(largest, random.random())
                return values.index(largest)
            """
    )


@honest()
def files_and_programs_of_its_own(book: Book) -> NotebookNode:
    """Files written and read back, a temporary folder, and a program of the machine."""
    return book.opening(
        """
        import os
        import subprocess
        import tempfile

        with open("notes.txt", "w") as file:
            file.write("notes")
        with tempfile.TemporaryDirectory() as folder:
            open(os.path.join(folder, "x"), "w").close()
        assert open("notes.txt").read() == "notes"
        assert subprocess.run(["echo", "hi"], capture_output=True).stdout == b"hi\\n"
        """,
        book.solved(),
    )


@honest()
def magics_and_shell_lines(book: Book) -> NotebookNode:
    """%timeit, %%time, !ls and %matplotlib inline."""
    notebook = book.opening(
        "%matplotlib inline\n%timeit -n 1 -r 1 1 + 1\n!echo hello", book.solved()
    )
    return book.opening("%%time\nx = 3", notebook)


@honest()
def processes_of_its_own(book: Book) -> NotebookNode:
    """A multiprocessing pool, closed as it should be."""
    return book.opening(
        """
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(abs, [-1, -2]))
        """,
        book.solved(),
    )


@hostile(target.FULL - target.POINTS["announce"])
def wrong_answer_that_prints_the_right_one(book: Book) -> NotebookNode:
    """The negative twin: what is printed is right, what is returned is not."""
    wrong = book.answers("announce").replace("return values.index(max(values))", "return None")
    return book.solved(announce=wrong)
