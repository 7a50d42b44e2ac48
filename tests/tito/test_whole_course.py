"""A student goes through a course by the real command: start, wrong, right, complete, graded."""

import json
import shutil
import zipfile

import pytest

pytestmark = pytest.mark.slow

# It uses a constant of the given cell that a call makes.
ADD = "START = LIMITS[0]\n\n\ndef add(a, b):\n    return START + a + b\n"
DOUBLE = 'def double(x):\n    print("mine")\n    return 2 * x\n'
QUADRUPLE = "def quadruple(x):\n    return double(double(x))\n"


def test_from_an_empty_folder_to_feedback(student, small, command):
    assert "begin: tito module start 14" in student.tito("progress").stdout

    # Start: the notebook is there, and a second start leaves it alone.
    done = student.tito("module", "start", "14", "--no-open")
    assert done.returncode == 0
    path = student.cwd / "14_adding" / "14_adding.ipynb"
    assert done.stdout.strip() == f"new: {path}"
    before = path.read_bytes()
    assert "yours" in student.tito("module", "start", "adding", "--no-open").stdout
    assert path.read_bytes() == before

    # Nothing written, then wrong, then right.
    done = student.tito("test", "adding")
    assert done.returncode == 1
    assert "not written yet" in done.stdout
    assert "0 of 3 points" in done.stdout
    student.answer("14_adding", add="def add(a, b):\n    return a - b\n")
    done = student.tito("test", "14")
    assert done.returncode == 1
    assert "1 + 2: expected 3, found -1" in done.stdout
    done = student.tito("module", "complete", "14")
    assert done.returncode == 1
    assert "chapter 14 is not complete yet, and nothing was changed" in done.stderr
    student.answer("14_adding", add=ADD)
    assert "all tasks are written" in student.tito("progress").stdout
    done = student.tito("test", "14")
    assert done.returncode == 0
    assert "3 of 3 points" in done.stdout
    assert "tito module complete 14" in student.tito("progress").stdout
    assert student.tito("module", "complete", "14").returncode == 0

    # Hand in, and be graded by the instructor's commands.
    done = student.tito("submit", "14")
    assert done.returncode == 0, done.stderr
    archive = student.cwd / "handed_in" / "14_adding.zip"
    assert f"ready to hand in: {archive}" in done.stdout
    course_dir = small / "build" / "class"
    for part in ("source", "release"):
        shutil.copytree(small / "assignments" / part, course_dir / part)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(course_dir / "submitted" / "ada")
    where = f"--CourseDirectory.root={course_dir}"
    for words in (["generate_assignment", "--force"], ["autograde"], ["generate_feedback"]):
        done = command("nbgrader", *words, where, "14_adding")
        assert done.returncode == 0, done.stderr
    done = command("autograder", "report", "14_adding", "--json", "--course-dir", str(course_dir))
    (row,) = json.loads(done.stdout)
    assert (row["student"], row["points"], row["to_read"]) == ("ada", 3, 1)
    assert (course_dir / "feedback" / "ada" / "14_adding" / "14_adding.html").is_file()


def test_a_completed_chapter_is_what_import_gives(later_student):
    code = "from tinytorch.using import eight"
    student = later_student
    student.tito("module", "start", "15", "--no-open")
    student.answer("15_doubling", double=DOUBLE, quadruple=QUADRUPLE)
    assert student.tito("module", "complete", "15").returncode == 0

    # The reference's own parts use the student's function, too.
    code = "from tinytorch.doubling import quadruple; from tinytorch.doubling import parts\n"
    code += "print(quadruple(3), parts.double(1), quadruple.__module__)"
    done = student.run(code)
    assert done.stdout.split() == ["mine"] * 3 + ["12", "2", "tinytorch_mine_15_doubling"]

    assert "the reference" in student.tito("use", "reference", "15").stdout
    assert student.run(code).stdout.split() == ["12", "2", "tinytorch.doubling.parts"]
    assert student.tito("use", "mine").returncode == 0
    assert student.run(code).stdout.startswith("mine")

    # A chapter further on runs on the student's own code.
    student.tito("module", "start", "16", "--no-open")
    body = "def eight(x):\n    from tinytorch.doubling import double\n"
    body += "    assert double.__module__.startswith('tinytorch_mine'), double.__module__\n"
    student.answer("16_using", eight=body + "    return double(4)\n")
    assert student.tito("test", "16").returncode == 0


def test_what_is_handed_in_is_judged_on_the_reference(student):
    """As the grader does, who has no helper that one's own chapter before exports."""
    student.tito("module", "start", "14", "--no-open")
    student.answer("14_adding", add=f"{ADD}\n\ndef helper(x):\n    return x\n")
    assert student.tito("module", "complete", "14").returncode == 0
    student.tito("module", "start", "15", "--no-open")
    double = "from tinytorch.adding import helper\n\n\ndef double(x):\n    return 2 * helper(x)\n"
    student.answer("15_doubling", double=double, quadruple=QUADRUPLE)
    assert student.tito("test", "15").returncode == 0
    done = student.tito("submit", "15")
    assert done.returncode == 1
    assert "cannot import name 'helper'" in done.stdout
    assert not (student.cwd / "handed_in").exists()


def test_broken_code_is_told_of_and_can_always_be_switched_off(later_student):
    student = later_student
    student.tito("module", "start", "15", "--no-open")
    student.answer("15_doubling", double=DOUBLE, quadruple=QUADRUPLE)
    student.tito("module", "complete", "15")
    (student.home / "mine" / "15_doubling.py").write_text("1 / 0\n")
    done = student.run("import tinytorch.doubling")
    last = done.stderr.strip().split("\n")[-1]
    assert "your chapter 15 cannot be imported (ZeroDivisionError" in last
    assert "'tito use reference 15' switches it off" in last
    assert student.tito("progress").returncode == 0
    assert student.tito("use", "reference", "15").returncode == 0
    assert student.run("import tinytorch.doubling").returncode == 0


def test_in_its_own_chapter_neither_it_nor_a_later_one_can_be_imported(later_student):
    student = later_student
    student.tito("module", "start", "15", "--no-open")
    student.answer(
        "15_doubling",
        double="from tinytorch.doubling import double\n",
        quadruple="from tinytorch.doubling import quadruple\n",
    )
    done = student.tito("test", "15")
    assert done.returncode == 1
    assert "is what chapter 15_doubling asks you to write" in " ".join(done.stdout.split())


def test_the_reference_can_be_tested_where_the_release_has_it(later_student):
    done = later_student.tito("test", "15", "--reference", "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["earned"] == 5
    done = later_student.tito("test", "16", "--reference")
    assert done.returncode == 2
    assert "comes with the release after chapter 16" in done.stderr


def test_handing_in_by_the_exchange_of_a_class(student, small, command, tmp_path):
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    done = command("nbgrader", "release_assignment", "14_adding", f"--Exchange.root={exchange}")
    assert done.returncode == 0, done.stderr
    (student.cwd / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.Exchange.root = {str(exchange)!r}\n"
        'c.CourseDirectory.course_id = "small"\n'
    )
    student.tito("module", "start", "14", "--no-open")
    path = student.answer("14_adding", add=ADD)
    done = student.tito("submit", "14", "--exchange")
    assert done.returncode == 0, done.stderr
    assert "Submitted as: small 14_adding" in done.stdout
    (copy,) = exchange.glob("small/inbound/*/14_adding.ipynb")
    assert copy.read_bytes() == path.read_bytes()
    # Under another name nbgrader would not see it, so it is not tried.
    path.rename(path.with_name("14_adding (1).ipynb"))
    done = student.tito("submit", "14", "--exchange")
    assert done.returncode == 2
    assert "nbgrader takes the notebook from 14_adding/14_adding.ipynb only" in done.stderr
