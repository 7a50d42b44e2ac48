"""Every kernel starts in the same clean state, though all are forked from one process."""

import os

import pytest

NUMBERS = (
    "import random, uuid, numpy as np\n"
    "print(random.random(), np.random.rand(), np.random.default_rng().random(), uuid.uuid4())"
)
LEAVE = """
import os, threading, time, matplotlib, matplotlib.pyplot as plt
os.environ["LEFT"] = "by an earlier kernel"
plt.plot([1, 2])
matplotlib.rcParams["lines.linewidth"] = 99
threading.Thread(target=time.sleep, args=(600,)).start()
import json; json.left = True
start_up = os.path.expanduser("~/.ipython/profile_default/startup")
os.makedirs(start_up, exist_ok=True)
open(start_up + "/00.py", "w").write("left = True")
for folder in (".", "/tmp", "/dev/shm"):
    open(folder + "/left.py", "w").close()
"""


@pytest.fixture(scope="module")
def earlier_and_later(new_kernel):
    """What an earlier kernel says to `NUMBERS`, and a kernel that was started after its end."""
    earlier = new_kernel()
    numbers = earlier.run(NUMBERS)
    assert earlier.run(LEAVE + "print('all was left')").startswith("all was left")
    earlier.close()
    later = new_kernel()
    yield numbers, later
    later.close()


@pytest.fixture
def later(earlier_and_later):
    return earlier_and_later[1]


def test_random_numbers_differ_from_kernel_to_kernel(earlier_and_later):
    numbers, later = earlier_and_later
    first, second = numbers.split(), later.run(NUMBERS).split()
    assert len(first) == len(second) == 4
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_the_environment_of_one_kernel_is_not_that_of_the_next(later):
    assert later.run("import os; print(os.environ.get('LEFT'))") == "None"


def test_the_environment_holds_nothing_of_the_person_who_grades(new_kernel, monkeypatch):
    monkeypatch.setenv("LMS_TOKEN", "planted-secret")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    kernel = new_kernel()
    found = kernel.run("import os; print(dict(os.environ), os.path.expanduser('~'))")
    kernel.close()
    assert "PATH" in found
    for secret in ("planted-secret", "NBGRADER_EXECUTION", f"{os.environ['HOME']}'"):
        assert secret not in found


def test_there_are_no_figures_and_the_style_is_the_usual_one(later):
    look = "import matplotlib as m, matplotlib.pyplot as plt; plt.get_fignums(), m.rcParams[{}]"
    assert later.run(look.format("'lines.linewidth'")) == "([], 1.5)"


def test_plots_are_shown_in_the_notebook(later):
    assert "<Figure size" in later.run("import matplotlib.pyplot as plt; plt.plot([1]); plt.show()")


def test_only_threads_of_the_kernel_itself_run(later):
    names = "import threading; print(sorted(t.name for t in threading.enumerate()))"
    assert later.run(names) == "['IOPub', 'MainThread']"


def test_modules_are_as_they_were(later):
    assert later.run("import json; hasattr(json, 'left')") == "False"


def test_history_is_neither_shared_nor_written_down(later):
    assert later.run("get_ipython().history_manager.enabled") == "False"
    found = later.run("%history -g\nprint(In, list(get_ipython().history_manager.get_tail(9)))")
    assert "all was left" not in found
    assert "history.sqlite" not in later.run("!find /scratch")


def test_scratch_is_empty_and_the_working_folder(later):
    look = "import os; print(os.getcwd(), os.listdir(), os.listdir('/dev/shm'))"
    assert later.run(look) == "/scratch/work [] []"
    assert later.run("os.path.exists('/tmp'), os.path.exists('/tmp/left.py')") == "(True, False)"


def test_start_up_files_of_one_kernel_do_not_run_in_the_next(later):
    assert later.run("'left' in globals()") == "False"


def test_the_order_of_sets_of_text_is_the_same_in_every_kernel(earlier_and_later, kernel):
    letters = "list({'alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'})"
    assert kernel.run(letters) == earlier_and_later[1].run(letters)


def test_modules_beside_the_notebook_can_be_imported(kernel):
    kernel.run("open('helper.py', 'w').write('value = 5')")
    assert kernel.run("import helper; helper.value") == "5"


def test_a_file_named_like_a_module_does_not_take_its_place(kernel):
    kernel.run("open('numpy.py', 'w').write('shadow = True')")
    assert kernel.run("import numpy; hasattr(numpy, 'shadow'), numpy.pi > 3") == "(False, True)"


def test_descriptors_lead_nowhere_outside(confined):
    code = (
        "for number in map(int, os.listdir('/proc/self/fd')):\n"
        "    if os.path.lexists(f'/proc/self/fd/{number}'):\n"
        "        say(number, os.readlink(f'/proc/self/fd/{number}'))"
    )
    leads = dict(line.split() for line in confined(code).splitlines())
    assert [leads.pop(number) for number in "012"] == ["/dev/null"] * 3
    assert {kind.partition(":")[0] for kind in leads.values()} <= {"/dev/null", "pipe"}


def test_nothing_can_be_left_for_the_next_kernel_in_an_open_file(confined):
    code = "import os; os.write(2, b'left'); say(os.pread(2, 100, 0))"
    assert confined(code) == confined(code) == "b''"
