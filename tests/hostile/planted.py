"""What is planted around the grader and must reach no student: one word for each hiding place.

A word is searched for in everything a student's code printed and in every page of feedback, so
none of them stands in a submission, and each is unlike any other text.
"""

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class Secret:
    """A word and the place where it lies."""

    word: str
    where: str

    def forms(self) -> tuple[str, ...]:
        """Return the word as it is, backwards, in hexadecimal and in base 64.

        A number only as it is: turned around it might stand anywhere.
        """
        if self.word[0].isdigit():
            return (self.word,)
        raw = self.word.encode()
        return self.word, self.word[::-1], raw.hex(), base64.b64encode(raw).decode().rstrip("=")


SOLUTION = Secret("cormorant_solves", "the reference solution")
MARK_SCHEME = Secret("plover_marks", "the mark scheme")
HIDDEN_SOURCE = Secret("heron_hides", "the source of a hidden test")
HIDDEN_NUMBER = Secret("90210.53", "an input of a hidden test")
HIDDEN_BOUND = Secret("48271.59", "an expected value of a hidden test")
HIDDEN_ARRAY = Secret("30727", "an expected array of a hidden test")
HIDDEN_WORD = Secret("kestrelgrey", "an input of a hidden test")
HIDDEN_KEPT = Secret("86243", "what a hidden test's callback keeps")
OTHER_STUDENT = Secret("bittern_wrote_this", "another student's submission")
GRADEBOOK = Secret("Sandpiper-Ruddock", "the gradebook")
CONFIG = Secret("wagtail_config", "the course's nbgrader_config.py")
ENVIRONMENT = Secret("dunlin_environment", "the grading command's environment")
HOME_FILE = Secret("whimbrel_home", "a file in the instructor's home")
TMP_FILE = Secret("godwit_tmp", "a file in /tmp")
SHM_FILE = Secret("turnstone_shm", "a file in /dev/shm")

SECRETS = (
    SOLUTION, MARK_SCHEME, HIDDEN_SOURCE, HIDDEN_NUMBER, HIDDEN_BOUND, HIDDEN_ARRAY, HIDDEN_WORD,
    HIDDEN_KEPT, OTHER_STUDENT, GRADEBOOK, CONFIG, ENVIRONMENT, HOME_FILE, TMP_FILE, SHM_FILE,
)  # fmt: skip


def found_in(text: str) -> list[str]:
    """Return the places whose word stands in the text, in any of its forms."""
    return [secret.where for secret in SECRETS if any(form in text for form in secret.forms())]
