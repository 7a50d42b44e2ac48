"""The import hook and the command in environments that are odd, damaged or incomplete."""

import json

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "left",
    [
        {"__init__.py": "raise RuntimeError"},
        {"__init__.py": ""},
        {"__init__.py": "", "overlay.py": "def ("},
        {"__init__.py": "", "overlay.py": "import no_such_module"},
    ],
)
def test_what_is_left_of_half_an_uninstall_prints_nothing_when_python_starts(
    student, tmp_path, left
):
    folder = tmp_path / "left" / "tito"
    folder.mkdir(parents=True)
    for name, text in left.items():
        (folder / name).write_text(text)
    done = student.run("print('fine')", PYTHONPATH=str(folder.parent))
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_the_hook_and_help_import_little(student):
    """What costs time at every start of Python, and of `tito --help`."""
    code = "import sys; print(sorted({'typing', 'json', 'importlib.util', 'pathlib', 'click'}"
    code += " & set(sys.modules)), 'tito.overlay' in sys.modules)"
    assert student.run(code).stdout.split() == ["[]", "True"]
    code = "import sys, tito.cli\nsys.argv = ['tito', '--help']\ntry:\n    tito.cli.main()\n"
    code += "finally:\n    print(sorted({'rich', 'numpy', 'nbclient', 'asyncio', 'jsonschema'}"
    code += " & set(sys.modules)))"
    assert student.run(code).stdout.endswith("[]\n")


@pytest.mark.parametrize("home", ["/etc/passwd", "/dev/null/x", "~no_such_user/x", "", "relative"])
def test_an_odd_home_breaks_no_import_and_is_named(student, home):
    done = student.run("import tinytorch.adding", TITO_HOME=home)
    assert (done.returncode, done.stderr) == (0, "")
    done = student.tito("module", "start", "14", "--no-open", TITO_HOME=home)
    assert done.returncode == 0 or "TITO_HOME" in done.stderr
    assert "tito's own folder" in student.tito("doctor", TITO_HOME=home).stdout


@pytest.mark.parametrize(
    "text",
    ["", "{half", "[]", "7", '{"chapters": [1]}', '{"chapters": {"a": 1}}', "[" * 100_000,
     '{"chapters": [{"name": 3, "minutes": "ab"}]}', '{"chapters": [{"minutes": [1, 2]}]}'],
)  # fmt: skip
def test_a_damaged_course_breaks_no_import_and_is_named(student, tmp_path, text):
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "course.json").write_text(text)
    done = student.run("import tinytorch.adding", TITO_COURSE=str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    done = student.tito("progress", TITO_COURSE=str(folder))
    assert done.returncode == 1
    assert "install the course's wheel again" in done.stderr


def test_a_folder_that_is_gone_breaks_no_import_and_is_named(student, tmp_path):
    code = "import os\nos.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
    done = student.run(code + "import tinytorch.adding")
    assert (done.returncode, done.stderr) == (0, "")
    code += f"os.execv({str(student.python.parent / 'tito')!r}, ['tito', 'test', '14'])"
    done = student.run(code)
    assert done.returncode == 2
    assert done.stderr == "tito: the folder you are in is gone; go to another one with cd\n"


@pytest.mark.parametrize(
    ("module", "package"),
    [("nbclient", "nbclient"), ("rich", "rich"), ("ipykernel_launcher", "ipykernel")],
)
def test_a_package_that_is_missing_is_named_with_what_gets_it(student, tmp_path, module, package):
    student.tito("module", "start", "14", "--no-open")
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None")
    done = student.tito("test", "14", PYTHONPATH=str(folder))
    assert done.returncode == 1
    assert f"'python -m pip install {package}' gets" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_path_that_the_terminal_cannot_show_is_escaped(student):
    student.cwd = student.cwd / "课"
    student.cwd.mkdir()
    student.tito("module", "start", "14", "--no-open")
    for encoding in ("ascii", "cp1252"):
        done = student.tito("module", "status", PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert "\\u8bfe" in done.stdout
        assert student.tito("test", "99", PYTHONIOENCODING=encoding).returncode == 2


def test_every_command_has_plain_data(student):
    """What --json prints can be read, also when the tests fail."""
    student.tito("module", "start", "14", "--no-open")
    for words in (
        ["doctor"], ["module", "list"], ["module", "status"], ["progress"],
        ["module", "start", "14"], ["test", "14"], ["module", "complete", "14"],
        ["use", "reference", "14"], ["submit", "14"], ["module", "reset", "14"],
    ):  # fmt: skip
        assert json.loads(student.tito(*words, "--json").stdout), words


def test_names_are_completed(student):
    known = {"_TITO_COMPLETE": "bash_complete", "COMP_WORDS": "tito test d", "COMP_CWORD": "2"}
    assert student.tito(**known).stdout == "plain,doubling\n"
