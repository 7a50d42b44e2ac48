"""Output: more than anybody can read, in every form that a kernel knows."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, hostile


@hostile(target.FULL)
def one_line_of_100_megabytes(book: Book) -> NotebookNode:
    """100 MB in one line."""
    return book.closing("print('x' * 10**8)")


@hostile(target.FULL)
def a_million_small_messages(book: Book) -> NotebookNode:
    """Numbers, each flushed, without end."""
    return book.closing("""
        import itertools

        for number in itertools.count():
            print(number, flush=True)
        """)


@hostile(target.FULL)
def output_after_the_cell(book: Book) -> NotebookNode:
    """A thread goes on printing through all later cells."""
    return book.opening(
        """
        import threading

        def chatter():
            while True:
                print("chatter " * 1000, flush=True)

        threading.Thread(target=chatter, daemon=True).start()
        """,
        book.solved(),
    )


@hostile(target.FULL)
def stderr_without_end(book: Book) -> NotebookNode:
    """Warnings and bytes on descriptors 1 and 2, without end."""
    return book.closing("""
        import os
        import sys

        while True:
            sys.stderr.write("warning " * 5000)
            os.write(1, b"x" * 50_000)
            os.write(2, b"x" * 50_000)
        """)


@hostile(target.FULL)
def displays_without_end(book: Book) -> NotebookNode:
    """Displays, new ones and updates of one, without end."""
    return book.closing("""
        from IPython.display import HTML, display

        handle = display(HTML("<b>0</b>"), display_id=True)
        while True:
            display(HTML("<i>x</i>"))
            handle.update(HTML("<b>x</b>"))
        """)


@hostile(target.FULL)
def picture_of_80_megabytes(book: Book) -> NotebookNode:
    """One display of 80 MB, in several forms at once."""
    return book.closing("""
        big = "x" * (20 * 2**20)
        display({"text/plain": big, "text/html": big, "image/png": big,
                 "application/json": {"x": big}}, raw=True)
        """)


@hostile(target.FULL)
def result_of_50_megabytes(book: Book) -> NotebookNode:
    """The last expression of a cell is a text of 50 MB."""
    return book.closing("'x' * (50 * 2**20)")


@hostile(target.FULL)
def error_of_50_megabytes(book: Book) -> NotebookNode:
    """An error whose message is 50 MB."""
    return book.closing("raise ValueError('x' * (50 * 2**20))")


@hostile(target.FULL)
def outputs_cleared_without_end(book: Book) -> NotebookNode:
    """clear_output, with and without waiting, without end."""
    return book.closing("""
        from IPython.display import clear_output

        while True:
            print("x", flush=True)
            clear_output(wait=True)
            clear_output()
        """)


@hostile(target.FULL)
def messages_of_unknown_kinds(book: Book) -> NotebookNode:
    """Messages of invented kinds, comms, and payloads, from the kernel's own socket."""
    return book.closing("""
        kernel = get_ipython().kernel
        send = lambda kind, content: kernel.session.send(
            kernel.iopub_socket, kind, content, parent=kernel.get_parent())
        for number in range(20_000):
            send("comm_open", {"comm_id": str(number), "target_name": "x", "data": {}})
            send("invented", {"x": number})
            send("stream", {"name": "stdout"})
            send("display_data", {"data": 3})
            send("error", {})
        """)


@hostile(target.FULL)
def messages_that_are_no_messages(book: Book) -> NotebookNode:
    """Raw bytes on the socket where the grader expects signed messages."""
    return book.closing("""
        socket = get_ipython().kernel.iopub_socket
        socket = getattr(socket, "io_thread", None) and socket.io_thread.socket or socket
        for parts in ([b""], [b"<IDS|MSG>"], [b"x"] * 100,
                      [b"<IDS|MSG>", b"sig", b"{", b"[", b"{}", b"{}"],
                      [b"stream", b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"], [b"x" * 10**7]):
            for _ in range(50):
                socket.send_multipart(parts)
        """)


@hostile(target.FULL)
def terminal_codes_and_nulls(book: Book) -> NotebookNode:
    """Control characters, lone surrogates, nulls and escape codes in what is printed."""
    return book.closing(r"""
        import sys

        print("".join(map(chr, range(32))), "\x1b]0;title\x07\x1b[2J\x1b[31m", "\u202e", "\ufeff")
        print("\x00" * 1000)
        try:
            print("\ud800 lone")
        except UnicodeEncodeError as error:
            print(error)
        raise ValueError("\x00\ud800\x1b[2J")
        """)


@hostile(target.FULL)
def metadata_of_displays(book: Book) -> NotebookNode:
    """Displays whose metadata are deep, large, or not what the format allows."""
    return book.closing("""
        deep = {}
        for _ in range(500):
            deep = {"x": deep}
        display({"text/plain": "x"}, raw=True, metadata={"deep": deep, "nbgrader": {"score": 20}})
        display({"text/plain": 3, 7: None, "application/json": deep}, raw=True)
        display({"text/plain": float("nan"), "image/png": ["a", 3]}, raw=True)
        """)
