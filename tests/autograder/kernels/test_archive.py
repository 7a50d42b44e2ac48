"""Files of a submission are unpacked in the kernel's folder, where links in them lead nowhere."""

import io
import tarfile

import pytest


def archive(*entries):
    """A tar file of (name, text) files, and (name, target, type) links."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, text, *kind in entries:
            entry = tarfile.TarInfo(name)
            data = b"" if kind else text.encode()
            if kind:
                entry.type, entry.linkname = kind[0], text
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return file


@pytest.fixture
def unpacked(confined, tmp_path):
    """Return a function that runs code beside the files of an archive."""

    def run(code, *entries):
        path = tmp_path / "files.tar"
        path.write_bytes(archive(*entries).getvalue())
        with path.open("rb") as file:
            return confined(code, archive=file)

    return run


def test_files_lie_beside_the_notebook(start_kernel, tmp_path):
    (tmp_path / "files.tar").write_bytes(
        archive(("data.csv", "1,2"), ("deep/er/module.py", "x = 5")).getvalue()
    )
    with (tmp_path / "files.tar").open("rb") as file:
        kernel = start_kernel(archive=file)
        assert kernel.run("open('data.csv').read()") == "'1,2'"
        assert kernel.run("from deep.er import module; module.x") == "5"
        kernel.client.stop_channels()
        kernel.manager.restart_kernel(now=True)
        kernel.connect()
        assert kernel.run("open('data.csv').read()") == "'1,2'"


def test_files_for_the_checker_lie_where_no_other_process_sees_them(
    start_confined, confined, tmp_path
):
    (tmp_path / "files.tar").write_bytes(archive(("helper.py", "x = 5")).getvalue())
    first = start_confined("import time; time.sleep(60)", number=77)
    with (tmp_path / "files.tar").open("rb") as file:
        said = confined(
            "say(os.listdir('.'), open('/dev/shm/given/helper.py').read())",
            archive=file,
            scratch=first.scratch,
            number=77,
            request={"archive_to": "/dev/shm/given"},
        )
    assert said == "[] x = 5"
    assert confined("say(os.path.exists('/dev/shm/given'))", number=77) == "False"


def test_files_can_be_changed(unpacked):
    code = "open('data.csv', 'w').write('3'); say(open('data.csv').read())"
    assert unpacked(code, ("data.csv", "1,2")) == "3"


@pytest.mark.parametrize(
    "entry",
    [
        ("../escaped", "x"),
        ("/scratch/escaped", "x"),
        ("link", "/etc/ld.so.cache", tarfile.SYMTYPE),
        ("link", "../../etc/ld.so.cache", tarfile.SYMTYPE),
        ("link", "/etc/ld.so.cache", tarfile.LNKTYPE),
        ("device", "", tarfile.CHRTYPE),
        ("pipe", "", tarfile.FIFOTYPE),
    ],
    ids=["above", "absolute", "link", "link above", "hard link", "device", "pipe"],
)
def test_an_entry_that_leads_out_is_not_unpacked(unpacked, entry):
    code = (
        "say(*[n for n in os.listdir('.') if not os.path.realpath(n).startswith('/scratch/work')])"
    )
    code += "; say(os.path.exists('/scratch/escaped'), os.path.islink('link'))"
    said = unpacked(code, entry)
    assert said in ("", "False False")


def test_links_within_the_folder_are_links(unpacked):
    said = unpacked(
        "say(open('same.csv').read())",
        ("data.csv", "1,2"),
        ("same.csv", "data.csv", tarfile.SYMTYPE),
    )
    assert said == "1,2"


def test_what_is_no_archive_starts_no_code(confined, tmp_path):
    (tmp_path / "files.tar").write_bytes(b"this is no tar file" * 100)
    with (tmp_path / "files.tar").open("rb") as file:
        assert confined("say('started')", archive=file) == ""
