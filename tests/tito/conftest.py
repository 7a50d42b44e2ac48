"""A small course, released, and a student who installed its wheel in their own environment."""

import importlib.util
import json
import site
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location(
    "small_course", Path(__file__).with_name("small_course.py")
)
small_course = importlib.util.module_from_spec(spec)
spec.loader.exec_module(small_course)

BIN = Path(sys.executable).parent
CHAPTERS = ("14_adding", "15_doubling", "16_using")


def call(command, cwd, **environment):
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "COLUMNS": "80", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The root of the small course, its assignments generated."""
    root = small_course.write_course(tmp_path_factory.mktemp("small") / "course")
    library = str(root / "source_lib")
    done = call([BIN / "autograder", "build"], root, PYTHONPATH=library, HOME=str(root))
    assert done.returncode == 0, done.stderr
    for name in CHAPTERS:
        command = [BIN / "nbgrader", "generate_assignment", name]
        done = call(command, root, PYTHONPATH=library, HOME=str(root))
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="session")
def released(small):
    """Return a function that makes a release and returns its folder."""

    def release(chapter):
        library = str(small / "source_lib")
        command = [BIN / "autograder", "release", chapter]
        done = call(command, small, PYTHONPATH=library, HOME=str(small))
        assert done.returncode == 0, done.stderr
        return small / "build" / "release" / chapter

    return release


@pytest.fixture(scope="session")
def installed(released, tmp_path_factory):
    """Return a function that makes an environment with the wheel of a release.

    What the wheel requires comes from the environment of the tests, and nothing else does.
    """
    made = {}

    def environment(chapter):
        if chapter not in made:
            (wheel,) = released(chapter).glob("*.whl")
            made[chapter] = install(wheel, tmp_path_factory.mktemp("environment"))
        return made[chapter]

    return environment


def install(wheel, folder):
    """Make an environment that has a wheel; return its interpreter."""
    call([sys.executable, "-m", "venv", "--without-pip", folder], folder)
    python = folder / "bin" / "python"
    done = call(
        [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index",
         "--quiet", wheel],
        folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "zz_requirements.pth").write_text("\n".join(site.getsitepackages()))
    return python


@dataclass
class Student:
    """Somebody at a terminal: an environment, a home, and the folder they are in."""

    python: Path
    home: Path
    cwd: Path

    def tito(self, *words, **environment):
        return self._call([self.python.parent / "tito", *words], environment)

    def run(self, code, **environment):
        return self._call([self.python, "-c", code], environment)

    def _call(self, command, environment):
        known = {"TITO_HOME": str(self.home), "HOME": str(self.home.parent)}
        return call(command, self.cwd, **(known | environment))

    def answer(self, chapter, **sources):
        """Write code into the cells of the notebook, by their ids."""
        path = self.cwd / chapter / f"{chapter}.ipynb"
        content = json.loads(path.read_text(encoding="utf-8"))
        for cell in content["cells"]:
            name = cell["metadata"].get("nbgrader", {}).get("grade_id")
            if name in sources:
                cell["source"] = sources[name]
        path.write_text(json.dumps(content), encoding="utf-8")
        return path


@pytest.fixture
def student(installed, tmp_path):
    """A student with the release of chapter 15, in an empty folder."""
    return newcomer(installed("15_doubling"), tmp_path)


@pytest.fixture
def capstone_student(course, tmp_path):
    """A student with the release of the real course's last chapter; and its solutions.

    These are the code of every cell of the source notebooks in which students write, by chapter.
    """
    root = tmp_path / "course"
    (root / "assignments").mkdir(parents=True)
    settings = ("_config.yml", "pyproject.toml", "nbgrader_config.py")
    for part in ("book", "source_lib", "autograder", "assignments/release", *settings):
        (root / part).symlink_to(course.root / part)
    for words in (["build"], ["release", "20_capstone"]):
        done = call([BIN / "autograder", *words], root, HOME=str(root))
        assert done.returncode == 0, done.stderr
    (wheel,) = (root / "build" / "release" / "20_capstone").glob("*.whl")
    solutions = {
        path.stem: {
            cell["metadata"]["nbgrader"]["grade_id"]: "".join(cell["source"])
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code" and cell["metadata"]["nbgrader"]["solution"]
        }
        for path in sorted(root.glob("assignments/source/*/*.ipynb"))
    }
    folder = tmp_path / "environment"
    folder.mkdir()
    return newcomer(install(wheel, folder), tmp_path), solutions


@pytest.fixture
def later_student(installed, tmp_path):
    """A student with the release of chapter 16."""
    return newcomer(installed("16_using"), tmp_path)


def newcomer(python, folder):
    cwd = folder / "my course"
    cwd.mkdir()
    return Student(python, folder / "state", cwd)


@pytest.fixture(autouse=True)
def no_traceback():
    """No command of a test here may end in a traceback."""
    seen = []
    original = subprocess.run

    def watched(*args, **kwargs):
        done = original(*args, **kwargs)
        seen.append(done)
        return done

    patch = pytest.MonkeyPatch()
    patch.setattr(subprocess, "run", watched)
    yield
    patch.undo()
    for done in seen:
        if Path(str(done.args[0])).name == "tito":
            assert "Traceback" not in f"{done.stdout}{done.stderr}", done.stderr


@pytest.fixture
def command(small):
    """Return a function that calls an instructor's command in the small course."""

    def run(name, *words):
        library = str(small / "source_lib")
        return call([BIN / name, *words], small, PYTHONPATH=library, HOME=str(small))

    return run
