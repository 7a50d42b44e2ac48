"""What `tito` says when it cannot go on."""


class TitoError(Exception):
    """Something is not as the command needs it; the message says what, and what to type next.

    `exit_code` is 1 when the work failed and 2 when the command was used wrongly.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
