"""Points from objects that lie: what a task returns claims to be whatever a test asks for."""

from nbformat.notebooknode import NotebookNode

from ..submission import Book, hostile

YES = """
    class Yes:
        shape = (3, 2)
        count = 2

        def _yes(self, *rest):
            return True

        __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __bool__ = __contains__ = _yes
        __hash__ = object.__hash__

        def _same(self, *rest, **settings):
            return self

        __sub__ = __rsub__ = __abs__ = __add__ = __radd__ = __getitem__ = __call__ = _same
        mean = add = _same

        def __iter__(self):
            return iter([self])

    def yes(*rest):
        return Yes()
    """


@hostile()
def equal_to_everything(book: Book) -> NotebookNode:
    """Results say yes to ==, <, > and bool, whatever stands on the other side."""
    return book.everything_is(YES, "yes")


@hostile()
def subclasses_asked_first(book: Book) -> NotebookNode:
    """Results are of subclasses of int, float and list, so that their == is asked first."""
    return book.everything_is(
        """
        def _yes(self, *rest):
            return True

        body = dict.fromkeys(("__eq__", "__lt__", "__gt__", "__le__", "__ge__", "__ne__"), _yes)
        body["__hash__"] = object.__hash__
        Several = type("Several", (list,), body)
        body["__abs__"] = body["__sub__"] = body["__rsub__"] = lambda self, *rest: self
        Number = type("Number", (float,), body)

        class Running:
            count = Number(1)
            def add(self, number):
                pass
            def mean(self):
                return Number(1)

        def clever(*rest):
            return {0: Running, 1: lambda: Number(1)}.get(len(rest), Number)()

        def several(*rest):
            return Several()

        clamp = announce = lambda *rest: Number(1)
        """,
        "clever",
    )


@hostile()
def counts_that_equal_every_count(book: Book) -> NotebookNode:
    """A list that equals every list is returned, and the dict is filled with such numbers."""
    return book.solved(
        "nothing",
        tally="""
            class Words(list):
                def __eq__(self, other):
                    return True

            class Count(int):
                def __eq__(self, other):
                    return True
                __hash__ = int.__hash__

            def tally(words, counts):
                for word in words:
                    counts[word] = Count()
                counts.update(gull=Count())
                return Words()
            """,
    )


@hostile()
def elements_that_equal_everything(book: Book) -> NotebookNode:
    """What is picked is a list of objects that equal every number."""
    return book.opening(
        YES, book.solved("nothing", pick="def pick(numbers, keep):\n    return [Yes()]")
    )


@hostile()
def array_of_its_own_opinion(book: Book) -> NotebookNode:
    """The array is of a subclass that answers NumPy's functions itself."""
    return book.solved(
        "nothing",
        rescale="""
            class Agreeable(np.ndarray):
                def __array_function__(self, function, types, arguments, settings):
                    return True
                def __array_ufunc__(self, *rest, **settings):
                    return np.array(True)
                def __eq__(self, other):
                    return True

            def rescale(X, low, high):
                return np.zeros(X.shape).view(Agreeable)
            """,
    )


@hostile()
def array_protocols(book: Book) -> NotebookNode:
    """No array at all, but __array__, __array_function__ and the interface of one."""
    return book.solved(
        "nothing",
        rescale="""
            class Pretends:
                shape, ndim, dtype = (3, 2), 2, np.dtype(float)
                __array_priority__ = 1e9
                def __array__(self, dtype=None, copy=None):
                    import sys
                    frame = sys._getframe()
                    while frame is not None:
                        for value in frame.f_locals.values():
                            if isinstance(value, np.ndarray) and value.shape == (3, 2):
                                return value
                        frame = frame.f_back
                    return np.array([0, 0.5, 1])
                def __array_function__(self, function, types, arguments, settings):
                    return True
                def __array_ufunc__(self, *rest, **settings):
                    return True
                def __getitem__(self, key):
                    return self

            def rescale(X, low, high):
                return Pretends()
            """,
    )


@hostile()
def masked_array(book: Book) -> NotebookNode:
    """Every element of the array is masked, and NumPy's testing passes over those."""
    return book.solved(
        "nothing",
        rescale="""
            class Masked(np.ma.MaskedArray):
                def __getitem__(self, key):
                    return np.array([0, 0.5, 1])

            def rescale(X, low, high):
                return np.ma.masked_all(X.shape).view(Masked)
            """,
    )


@hostile()
def array_of_objects(book: Book) -> NotebookNode:
    """An array of Python objects, each of which lies about itself."""
    return book.opening(
        YES,
        book.solved(
            "nothing",
            rescale="""
                class Number(float):
                    def __sub__(self, other):
                        return 0.0
                    __rsub__ = __sub__
                    def __eq__(self, other):
                        return True
                    def __le__(self, other):
                        return True
                    __hash__ = float.__hash__

                def rescale(X, low, high):
                    return np.array([[Number(), Number()]] * 3, dtype=object)
                """,
        ),
    )


@hostile()
def class_that_claims_another(book: Book) -> NotebookNode:
    """`__class__` says float, and the metaclass finds everything an instance."""
    return book.everything_is(
        """
        class Meta(type):
            def __instancecheck__(cls, other):
                return True
            def __subclasscheck__(cls, other):
                return True
            def __eq__(cls, other):
                return True
            __hash__ = type.__hash__

        class Claims(metaclass=Meta):
            __class__ = float
            def __eq__(self, other):
                return True
            def __sub__(self, other):
                return 0.0
            __hash__ = object.__hash__

        class Factory(metaclass=Meta):
            __class__ = type
            def __call__(self, *rest):
                return Claims()
        """,
        "Factory()",
    )


@hostile()
def number_by_conversion(book: Book) -> NotebookNode:
    """__float__, __index__, __int__ and __round__ give another number at every question."""
    return book.everything_is(
        """
        import itertools

        steps = itertools.count()

        class Moving:
            def _next(self, *rest):
                return next(steps)
            __index__ = __int__ = __round__ = __len__ = __hash__ = _next
            def __float__(self):
                return float(next(steps))
            def __sub__(self, other):
                return 0.0
            def __abs__(self):
                return 0.0
            def __eq__(self, other):
                return True

        def moving(*rest):
            return Moving()
        """,
        "moving",
    )


@hostile()
def mock_of_everything(book: Book) -> NotebookNode:
    """Everything is a MagicMock whose comparisons agree."""
    return book.everything_is(
        """
        from unittest import mock

        def agrees(*rest, **settings):
            stand_in = mock.MagicMock(shape=(3, 2), count=2)
            for name in ("__eq__", "__lt__", "__gt__", "__bool__", "__le__", "__ge__"):
                getattr(stand_in, name).side_effect = None
                getattr(stand_in, name).return_value = True
            stand_in.__sub__.return_value = stand_in.__abs__.return_value = 0.0
            stand_in.mean.return_value = stand_in
            return stand_in
        """,
        "agrees",
    )


@hostile()
def attributes_on_demand(book: Book) -> NotebookNode:
    """An object has every attribute, each of which is a function that returns the object."""
    return book.everything_is(
        """
        class Everything:
            def __getattr__(self, name):
                return self
            def __call__(self, *rest, **settings):
                return self
            def __eq__(self, other):
                return True
            def __getitem__(self, key):
                return self
            __hash__ = object.__hash__
        """,
        "Everything()",
    )


@hostile()
def plain_names_that_lie(book: Book) -> NotebookNode:
    """The names that tests use are not functions: a liar stands where the function should."""
    return book.opening(
        YES,
        book.solved(
            "nothing",
            clamp="clamp = Yes()",
            rescale="rescale = Yes()",
            mean="RunningMean = Yes()",
            tally="tally = Yes()",
            pick="pick = Yes()",
            announce="announce = Yes()",
        ),
    )


@hostile()
def values_that_change_after_the_check(book: Book) -> NotebookNode:
    """What is returned looks right once and is changed by a thread a moment later."""
    return book.solved(
        "nothing",
        mean="""
            import threading
            import time

            class RunningMean:
                def __init__(self):
                    self.count = 2
                    self.numbers = []
                    threading.Thread(target=self.later, daemon=True).start()

                def later(self):
                    for _ in range(1000):
                        self.count = 3 - self.count
                        time.sleep(0.001)

                def add(self, number):
                    self.numbers.append(number)

                def mean(self):
                    return 3 if len(self.numbers) > 1 else 0
            """,
    )
