"""Whatever a student does in the wrong order, folder or file: one sentence, and nothing is lost."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def one_sentence(done, code=2):
    assert done.returncode == code, (done.stdout, done.stderr)
    (line,) = done.stderr.strip().split("\n")
    assert line.startswith("tito: ")
    return line


@pytest.fixture
def started(student):
    student.tito("module", "start", "15", "--no-open")
    return student


def test_a_chapter_that_was_not_started(student):
    assert "'tito module start 14' gives you one" in one_sentence(student.tito("test", "14"))
    assert "tito module start 14" in one_sentence(student.tito("module", "reset", "14"))


def test_a_chapter_that_does_not_exist_or_is_not_out(student):
    assert "choose one of: 14 adding, 15 doubling" in one_sentence(student.tito("test", "cooking"))
    assert "is not released yet" in one_sentence(student.tito("module", "start", "16"))


def test_switching_to_code_that_was_never_exported(student):
    assert "'tito module complete 14' exports it" in one_sentence(student.tito("use", "mine", "14"))
    assert "nothing to switch" in student.tito("use", "mine").stdout


def test_from_another_folder_the_notebook_is_found(started, tmp_path):
    started.cwd, before = tmp_path, started.cwd
    assert str(before) in started.tito("module", "status").stdout.replace("\n", "")
    done = started.tito("module", "start", "15", "--no-open", "--json")
    assert json.loads(done.stdout)["new"] is False


def test_a_notebook_renamed_by_the_browser_is_found_and_two_are_asked_about(started):
    folder = started.cwd / "15_doubling"
    (folder / "15_doubling.ipynb").rename(folder / "15_doubling (1).ipynb")
    done = started.tito("module", "start", "15", "--no-open", "--json")
    assert json.loads(done.stdout)["notebook"].endswith("15_doubling (1).ipynb")
    shutil.copy(folder / "15_doubling (1).ipynb", folder / "15_doubling (2).ipynb")
    assert "rename the one that counts" in one_sentence(started.tito("test", "15"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b'{"cells": [', "is no notebook"),
        (b'{"cells": [\n<<<<<<< HEAD\n', "a merge that was not finished"),
        (b'\xff\xfe{"cells"', "is no notebook"),
        (b'{"worksheets": [{"cells": []}], "nbformat": 3}', "has no list of cells"),
        (b'[1, 2]', "has no list of cells"),
        (b'{"cells": [{"cell_type": "code", "source": 7}]}', "has no list of cells"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_notebook_is_kept_and_named(started, content, said):
    path = started.cwd / "15_doubling" / "15_doubling.ipynb"
    path.write_bytes(content)
    line = one_sentence(started.tito("test", "15"))
    assert said in line
    assert path.name in line
    assert path.read_bytes() == content
    done = started.tito("progress")
    assert done.returncode == 0
    assert "unreadable" in done.stdout
    # Starting again works also then, and keeps what was there.
    done = started.tito("module", "reset", "15", "--json")
    assert done.returncode == 0, done.stderr
    with open(json.loads(done.stdout)["backup"], "rb") as kept:
        assert kept.read() == content


def test_an_old_or_broken_notebook_keeps_its_work_in_a_fresh_one(started):
    path = started.answer("15_doubling", double="def double(x):\n    return helper(x)\n")
    notebook = json.loads(path.read_text())
    cells = [
        cell for cell in notebook["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade_id") not in ("test-double", "imports")
    ]  # fmt: skip
    place = next(i for i, cell in enumerate(cells) if "helper(x)" in cell["source"])
    own = {"cell_type": "code", "metadata": {}, "source": "def helper(x):\n    return 2 * x",
           "outputs": [], "execution_count": None}  # fmt: skip
    cells.insert(place, own)
    cells[-1]["source"] = "Because of me."
    notebook["cells"] = cells
    path.write_text(json.dumps(notebook))

    done = started.tito("module", "reset", "15", "--keep-answers", "--json")
    assert done.returncode == 0, done.stderr
    fresh = json.loads(path.read_text())["cells"]
    ids = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in fresh]
    assert {"imports", "test-double", "test-quadruple", "why"} <= set(ids)
    sources = [cell["source"] for cell in fresh]
    assert any("helper(x)" in source for source in sources)
    assert any("def helper" in source for source in sources)
    assert sources[ids.index("why") + 1] == "Because of me."
    assert json.loads(Path(json.loads(done.stdout)["backup"]).read_text()) == notebook


def test_a_damaged_state_is_kept_and_the_next_command_goes_on(started):
    (started.home / "state.json").write_text("{half")
    line = one_sentence(started.tito("progress"), code=1)
    assert "was damaged and is kept as" in line
    assert list((started.home / "backups").glob("state-*.json"))
    assert started.tito("progress").returncode == 0
    assert started.run("import tinytorch.adding").returncode == 0


def test_a_home_that_cannot_be_written_is_named(started):
    done = started.tito("module", "start", "14", "--no-open", TITO_HOME="/proc/no")
    assert "/proc" in one_sentence(done, code=1)
    # The tests are run and told of all the same.
    done = started.tito("test", "15", TITO_HOME="/proc/no")
    assert "0 of 5 points" in done.stdout
    assert "/proc" in one_sentence(done, code=1)


def test_words_that_are_no_command_say_how_to_use_it(student):
    for words in (["tset"], ["test"], ["use", "theirs"], ["submission", "show", "nowhere.json"]):
        done = student.tito(*words)
        assert done.returncode == 2
        assert "Usage:" in done.stderr
    done = student.tito("test", "14", "--watch", "--reference")
    assert "--watch does not go with --reference" in done.stderr


@pytest.mark.parametrize(
    "words",
    [[], ["test"], ["module"], ["module", "start"], ["module", "complete"], ["module", "reset"],
     ["module", "list"], ["module", "status"], ["use"], ["submit"], ["submission"],
     ["submission", "validate"], ["submission", "show"], ["submission", "compare"], ["doctor"],
     ["progress"]],
)  # fmt: skip
def test_every_command_has_help_with_an_example(student, words):
    done = student.tito(*words, "--help")
    assert done.returncode == 0
    assert "tito " in done.stdout.partition("Usage:")[2].partition("\n")[2]
    assert max(len(line) for line in done.stdout.split("\n")) <= 80


def test_a_kernel_that_dies_and_a_loop_without_end_are_told_of(started):
    started.answer(
        "15_doubling",
        double="def double(x):\n    import os\n    os._exit(1)\n",
        quadruple="def quadruple(x):\n    return 4 * x\n",
    )
    done = started.tito("test", "15", "--json")
    results = {result["test"]: result for result in json.loads(done.stdout)["results"]}
    assert results["test-double"]["problem"] == "the kernel died"
    assert not results["test-quadruple"]["passed"]


RIGHT = {
    "double": "def double(x):\n    return 2 * x\n",
    "quadruple": "def quadruple(x):\n    return 4 * x\n",
}


def test_code_that_prints_without_end_asks_or_plots(started):
    started.answer(
        "15_doubling",
        double="def double(x):\n    for _ in range(30_000): print('x' * 99)\n    return 2 * x",
        quadruple="def quadruple(x):\n    return 4 * float(input('x? '))\n",
    )
    done = started.tito("test", "15", "--json")
    double, quadruple = json.loads(done.stdout)["results"]
    assert double["passed"]
    assert quadruple["problem"] == "it calls input(), and at grading nobody answers"


def test_code_that_needs_what_is_not_exported_is_not_switched_on(started):
    """A notebook can pass where its module cannot be imported: the one before stays."""
    path = started.answer("15_doubling", **RIGHT)
    assert started.tito("module", "complete", "15").returncode == 0
    exported = started.home / "mine" / "15_doubling.py"
    before = exported.read_text()
    notebook = json.loads(path.read_text())
    own = {"cell_type": "code", "metadata": {}, "source": "made = max(1, 2)"}
    notebook["cells"].insert(0, own)
    path.write_text(json.dumps(notebook))
    started.answer("15_doubling", double="def double(x, y=made):\n    return y * x\n")
    line = one_sentence(started.tito("module", "complete", "15"), code=1)
    assert "does not run outside the notebook (NameError: name 'made'" in line
    # An import alone does not show what a function needs when it is called.
    started.answer("15_doubling", double="def double(x):\n    return made * x\n")
    line = one_sentence(started.tito("module", "complete", "15"), code=1)
    assert "(it uses made, which no function, class or constant of it is)" in line
    assert exported.read_text() == before
    # The next one that can be imported replaces it, after a backup.
    started.answer("15_doubling", double="def double(x):\n    return x + x\n")
    assert started.tito("module", "complete", "15").returncode == 0
    (kept,) = (started.home / "backups").glob("15_doubling-*.py")
    assert kept.read_text() == before


def test_a_cell_of_a_shell_or_a_question_to_ipython_hinders_nothing(started):
    path = started.answer("15_doubling", **RIGHT)
    notebook = json.loads(path.read_text())
    for source in ("%%bash\ntrue", "files = !ls", "max?"):
        notebook["cells"].append({"cell_type": "code", "metadata": {}, "source": source})
    path.write_text(json.dumps(notebook))
    done = started.tito("module", "complete", "15")
    assert done.returncode == 0, done.stderr


def test_a_cell_that_ends_python_is_named_and_nothing_after_it_counts(started):
    started.answer("15_doubling", double=RIGHT["double"] + "exit()\n", quadruple=RIGHT["quadruple"])
    done = started.tito("test", "15", "--json")
    found = json.loads(done.stdout)
    assert found["earned"] == 0
    assert found["failures"] == {"double": "it ends Python, by exit() or quit()"}


def test_points_are_those_of_the_code_as_it_is(started):
    """Whatever text is left above it, and not after it was changed."""
    started.answer("15_doubling", **{k: f"# YOUR CODE HERE\n{v}" for k, v in RIGHT.items()})
    started.tito("test", "15")
    line = json.loads(started.tito("progress", "--json").stdout)["chapters"][1]
    assert (line["stage"], line["points"]) == ("written", 5)
    started.answer("15_doubling", double="raise ValueError")
    line = json.loads(started.tito("progress", "--json").stdout)["chapters"][1]
    assert line["points"] is None


def test_a_notebook_that_cannot_be_read_is_the_next_thing_to_see_to(started):
    started.tito("module", "start", "14", "--no-open")
    (started.cwd / "14_adding" / "14_adding.ipynb").write_bytes(b"{half")
    assert "cannot be read; see why: tito test 14" in started.tito("progress").stdout


def test_a_first_start_that_fails_is_not_remembered(student, tmp_path):
    (student.cwd / "15_doubling").write_text("in the way")
    one_sentence(student.tito("module", "start", "15", "--no-open"), code=1)
    student.cwd = tmp_path / "elsewhere"
    student.cwd.mkdir()
    done = student.tito("module", "start", "15", "--no-open")
    assert done.stdout.strip() == f"new: {student.cwd / '15_doubling' / '15_doubling.ipynb'}"


def test_a_folder_that_was_moved_is_found_again_as_doctor_says(started, tmp_path):
    started.cwd = started.cwd.rename(tmp_path / "moved")
    assert "missing" in started.tito("doctor").stdout
    assert "yours: " in started.tito("module", "start", "15", "--no-open").stdout
    assert json.loads((started.home / "state.json").read_text())["workspace"] == str(started.cwd)
    started.cwd = tmp_path
    assert "0 of 5 points" in started.tito("test", "15").stdout


def test_a_zip_that_is_there_is_kept(started):
    for _ in range(2):
        assert started.tito("submit", "15", "--force").returncode == 0
    archive = started.cwd / "handed_in" / "15_doubling.zip"
    (kept,) = (started.home / "backups").glob("15_doubling-*.zip")
    assert kept.stat().st_size == archive.stat().st_size


def test_two_commands_at_once_lose_nothing_of_each_other(started):
    started.answer("15_doubling", double="import time\ntime.sleep(5)\n" + RIGHT["double"])
    command = [started.python.parent / "tito", "test", "15"]
    environment = {"PATH": "/usr/bin:/bin", "TITO_HOME": str(started.home), "HOME": "/nonexistent"}
    running = subprocess.Popen(
        command, cwd=started.cwd, env=environment, stdout=subprocess.DEVNULL
    )  # fmt: skip
    assert started.tito("use", "reference", "14").returncode == 0
    assert running.poll() is None
    running.wait(timeout=120)
    state = json.loads((started.home / "state.json").read_text())
    assert state["uses"] == {"14_adding": "reference"}
    assert state["results"]["15_doubling"].pop("digest")
    assert state["results"]["15_doubling"] == {"earned": 2.0, "possible": 5.0}


@pytest.mark.parametrize(
    "state", ["[]", "7", '{"uses": 3}', '{"results": {"15_doubling": 1}}', '{"workspace": []}']
)
def test_a_state_of_another_kind_is_kept_and_the_next_command_goes_on(started, state):
    (started.home / "state.json").write_text(state)
    assert "is kept as" in one_sentence(started.tito("progress"), code=1)
    assert started.tito("progress").returncode == 0


def test_what_a_later_version_remembers_does_no_harm(started):
    state = json.loads((started.home / "state.json").read_text())
    (started.home / "state.json").write_text(json.dumps(state | {"streak": 7}))
    done = started.tito("module", "status")
    assert done.returncode == 0
    assert str(started.cwd) in done.stdout


def test_handing_in_by_the_exchange_without_a_class_says_what_else_works(started):
    done = started.tito("submit", "15", "--force", "--exchange")
    assert done.returncode == 1
    assert "leave --exchange out to get a zip file" in done.stderr
