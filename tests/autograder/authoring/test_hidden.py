"""A check travels with all it needs from its file, and with nothing else."""

from textwrap import dedent

import pytest

from autograder.authoring.hidden import UnknownCheckError, checks_file, collect_checks

CHECKS = dedent(
    '''
    import math
    import os
    from collections import OrderedDict as Ordered

    LIMIT = 3
    UNUSED = 4


    def helper(x):
        return deeper(x) < LIMIT


    def deeper(x):
        return math.sqrt(x)


    @staticmethod
    def check_one(student):
        """It works."""
        assert helper(student.value)


    def check_two(student):
        assert not Ordered()
    '''
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ch01_test.py"
    path.write_text(CHECKS)
    return path


def test_what_a_check_uses_comes_along_in_the_file_s_order(file):
    source = collect_checks(file, ("check_one",))
    order = ["import math", "LIMIT = 3", "def helper", "def deeper", "@staticmethod", "check_one"]
    places = [source.index(part) for part in order]
    assert places == sorted(places)


def test_what_it_does_not_use_stays(file):
    source = collect_checks(file, ("check_one",))
    for other in ("import os", "UNUSED", "check_two", "Ordered"):
        assert other not in source


def test_collected_checks_run_on_their_own(file):
    namespace = {}
    exec(collect_checks(file, ("check_one", "check_two")), namespace)
    namespace["check_two"](None)


def test_every_check_of_the_course_stands_on_its_own():
    """Collected alone, each check of chapter 20 has every name it uses."""
    import builtins
    import dis
    import types

    from autograder.checks import ch20_capstone

    names = [name for name in vars(ch20_capstone) if name.startswith("check_")]
    assert len(names) > 20
    for name in names:
        namespace = {}
        exec(collect_checks(checks_file("20_capstone"), (name,)), namespace)
        pending = [v.__code__ for v in namespace.values() if isinstance(v, types.FunctionType)]
        for code in pending:
            pending += [c for c in code.co_consts if isinstance(c, types.CodeType)]
            for step in dis.get_instructions(code):
                if step.opname == "LOAD_GLOBAL":
                    assert step.argval in namespace or hasattr(builtins, step.argval), (
                        f"{name} uses {step.argval}, which was not collected"
                    )


def test_an_unknown_check_is_named(file):
    with pytest.raises(UnknownCheckError, match="has no check 'check_three'"):
        collect_checks(file, ("check_three",))


def test_a_chapter_without_checks_is_named(tmp_path):
    with pytest.raises(UnknownCheckError, match=r"there is no ch99_none\.py"):
        collect_checks(tmp_path / "ch99_none.py", ("check_one",))
