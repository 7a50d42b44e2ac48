"""What a kernel finds beside the notebook, and how a file that was renamed is found."""

import os
import tarfile

import pytest

from autograder.grading import handed_in
from autograder.grading.handed_in import adopt_renamed, archive_of, digest_of, files_for_kernel


@pytest.fixture
def folders(tmp_path):
    submitted, source = tmp_path / "submitted", tmp_path / "source"
    for folder in (submitted, source):
        (folder / "data").mkdir(parents=True)
    return submitted, source


class TestFiles:
    def test_submitted_files_come_under_those_of_the_course(self, folders):
        submitted, source = folders
        (submitted / "mine.txt").write_text("1")
        (submitted / "data" / "table.csv").write_text("changed")
        (source / "data" / "table.csv").write_text("given")
        found = files_for_kernel(submitted, source)
        assert found == {
            "mine.txt": submitted / "mine.txt",
            "data/table.csv": source / "data" / "table.csv",
        }

    def test_notebooks_and_what_machines_leave_behind_stay_away(self, folders):
        submitted, source = folders
        for name in ("ps1.ipynb", "timestamp.txt", "a.pyc"):
            (submitted / name).touch()
        (submitted / ".ipynb_checkpoints").mkdir()
        (submitted / ".ipynb_checkpoints" / "ps1-checkpoint.txt").touch()
        (source / "ps1.ipynb").write_text("with solutions")
        assert files_for_kernel(submitted, source) == {}

    def test_links_lead_nowhere(self, folders, tmp_path):
        submitted, source = folders
        (tmp_path / "secret").write_text("secret")
        (submitted / "link.txt").symlink_to(tmp_path / "secret")
        (submitted / "folder").symlink_to(tmp_path, target_is_directory=True)
        assert files_for_kernel(submitted, source) == {}

    def test_pipes_and_missing_folders_are_no_files(self, folders, tmp_path):
        submitted, _ = folders
        os.mkfifo(submitted / "pipe")
        assert files_for_kernel(submitted, tmp_path / "nothing") == {}

    def test_what_is_too_large_is_left_out(self, folders, monkeypatch):
        submitted, source = folders
        monkeypatch.setattr(handed_in, "MOST_BYTES", 10)
        (submitted / "large.bin").write_bytes(bytes(11))
        assert files_for_kernel(submitted, source) == {}

    def test_an_archive_holds_what_was_found(self, folders):
        submitted, source = folders
        (submitted / "data" / "a b.txt").write_text("hello")
        archive = archive_of(files_for_kernel(submitted, source))
        archive.seek(0)
        with archive, tarfile.open(fileobj=archive) as tar:
            assert tar.getnames() == ["data/a b.txt"]
            assert tar.extractfile("data/a b.txt").read() == b"hello"
        assert archive_of({}) is None


def test_a_digest_tells_names_contents_and_links_apart(tmp_path):
    for name, text in (("a", "1"), ("b", "2"), ("c", "1")):
        (tmp_path / name).write_text(text)
    (tmp_path / "link").symlink_to("a")
    a, b, c, link = (tmp_path / name for name in ("a", "b", "c", "link"))
    found = [{"x": a}, {"y": a}, {"x": b}, {"x": link}, {"x": a, "y": b}, {"x": b, "y": a}, {}]
    assert len({digest_of(files) for files in found}) == len(found)
    assert digest_of({"x": a}) == digest_of({"x": c})


class TestRenamed:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "ps1 (1).ipynb").write_text("mine")
        return tmp_path

    def test_a_lone_notebook_is_copied_to_its_name(self, folder):
        assert adopt_renamed(folder, ["ps1"]) == folder / "ps1.ipynb"
        assert (folder / "ps1.ipynb").read_text() == "mine"
        assert sorted(os.listdir(folder)) == ["ps1 (1).ipynb", "ps1.ipynb"]

    def test_only_once(self, folder):
        adopt_renamed(folder, ["ps1"])
        assert adopt_renamed(folder, ["ps1"]) is None

    def test_one_with_the_right_name_is_left_alone(self, folder):
        (folder / "ps1.ipynb").write_text("right")
        assert adopt_renamed(folder, ["ps1"]) is None
        assert (folder / "ps1.ipynb").read_text() == "right"

    def test_which_of_two_is_meant_is_not_guessed(self, folder):
        (folder / "ps1 (2).ipynb").write_text("or this")
        assert adopt_renamed(folder, ["ps1"]) is None
        (folder / "ps1 (2).ipynb").unlink()
        assert adopt_renamed(folder, ["ps1", "ps2"]) is None

    def test_a_link_is_not_followed(self, folder):
        (folder / "ps1 (1).ipynb").rename(folder / "elsewhere")
        (folder / "ps1 (1).ipynb").symlink_to("elsewhere")
        assert adopt_renamed(folder, ["ps1"]) is None
