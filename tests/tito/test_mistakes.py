"""Whatever a student does in the wrong order, folder or file: one sentence, and nothing is lost."""

import json
import shutil
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
    assert started.tito("progress").returncode == 0
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
