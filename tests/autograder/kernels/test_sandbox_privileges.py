"""Student code has no network, no privilege, and no way to get one or to reach another process."""

import os
import signal
import socket
from pathlib import Path

import pyseccomp
import pytest

from autograder.kernels.syscalls import REFUSED

CALL = (
    "import ctypes, errno\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "def call(*arguments):\n"
    "    result = libc.syscall(*arguments)\n"
    "    say(errno.errorcode[ctypes.get_errno()] if result < 0 else 'allowed')\n"
)


def number_of(call):
    return pyseccomp.resolve_syscall(pyseccomp.system_arch(), call)


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"])
def test_sockets_of_the_network_cannot_be_made(confined, family):
    said = confined(f"import socket; socket.socket(socket.{family})")
    assert said == "OSError: [Errno 97] Address family not supported by protocol"


def test_there_is_no_network_but_its_own_that_is_down(confined):
    lines = confined("[say(line.split()[0]) for line in open('/proc/net/dev')]").splitlines()
    assert [line for line in lines if line.endswith(":")] == ["lo:"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{server.getsockname()[1]:04X}"
        assert address in Path("/proc/net/tcp").read_text()
        assert address not in confined("say(open('/proc/net/tcp').read())")


def test_programs_on_one_machine_can_talk_by_unix_sockets(confined):
    code = (
        "import socket\n"
        "a, b = socket.socketpair()\n"
        "a.send(b'hello')\n"
        "server = socket.socket(socket.AF_UNIX)\n"
        "server.bind('s')\n"
        "say(b.recv(9))"
    )
    assert confined(code) == "b'hello'"


def test_a_unix_socket_of_the_machine_cannot_be_reached(confined):
    name = f"\0grading-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        with socket.socket(socket.AF_UNIX) as here:
            here.connect(name)
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})"
        assert confined(code).startswith("ConnectionRefusedError")


@pytest.mark.parametrize("kind", ["mnt", "pid", "net", "ipc", "uts", "user"])
def test_it_has_its_own(confined, kind):
    outside = os.readlink(f"/proc/self/ns/{kind}")
    inside = confined(f"say(os.readlink('/proc/self/ns/{kind}'))")
    assert inside.startswith(f"{kind}:")
    assert inside != outside


def test_it_has_no_capability_and_can_gain_none(confined):
    code = "say(*[line for line in open('/proc/self/status') if line[:3] in ('Cap', 'NoN', 'Sec')])"
    said = dict(line.split(":") for line in confined(code).splitlines())
    found = {name.strip(): value.strip() for name, value in said.items()}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found[name], 16) == 0
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


def test_it_is_nobody_and_in_no_group(confined):
    user, group, groups = confined("say(os.getuid(), os.getgid(), len(os.getgroups()))").split()
    assert int(user) != 0
    assert int(group) != 0
    assert int(groups) == 0 or os.getuid() != 0


@pytest.mark.parametrize("step", ["os.setuid(0)", "os.setgid(0)", "os.chroot('/scratch')"])
def test_it_cannot_become_root(confined, step):
    assert confined(step).startswith(("PermissionError", "OSError: [Errno 22]"))


@pytest.mark.parametrize("call", [c for c in REFUSED if number_of(c) >= 0])
def test_the_system_call_is_refused(refused_calls, call):
    assert refused_calls[call] == "EPERM"


@pytest.fixture(scope="module")
def refused_calls(run_confined):
    calls = {call: number_of(call) for call in REFUSED if number_of(call) >= 0}
    code = CALL + f"for number in {[*calls.values()]}: call(number, 0, 0, 0, 0, 0, 0)"
    return dict(zip(calls, run_confined(code).splitlines(), strict=True))


def test_the_same_calls_are_there_outside():
    os.close(os.memfd_create("outside"))


@pytest.mark.parametrize("flag", ["10000000", "00020000", "20000000", "40000000", "08000000"])
def test_clone_makes_no_namespace(confined, flag):
    code = CALL + f"call({number_of('clone')}, 0x{flag} | {int(signal.SIGCHLD)}, 0, 0, 0, 0)"
    assert confined(code) == "EPERM"


def test_clone3_is_not_there_so_that_programs_take_clone(confined):
    assert confined(CALL + f"call({number_of('clone3')}, 0, 0)") == "ENOSYS"
    code = "import subprocess, sys; say(subprocess.check_output(['/bin/echo', 'a child']))"
    assert confined(code) == r"b'a child\n'"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines have no such door")
@pytest.mark.parametrize("door", ["x32", "i386"])
def test_calls_by_another_door_of_the_kernel_end_the_process(start_confined, door):
    code = {
        "x32": "import ctypes; ctypes.CDLL(None).syscall(0x40000000 | 39)",
        "i386": (  # mov eax, 20; int 0x80; ret
            "import ctypes, mmap\n"
            "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
            "page.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')\n"
            "start = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
            "ctypes.CFUNCTYPE(ctypes.c_int)(start)()"
        ),
    }[door]
    assert start_confined(code).wait(30) == -signal.SIGSYS


def test_typing_into_a_terminal_is_refused(confined):
    assert confined("import fcntl; fcntl.ioctl(0, 0x5412, b'x')").startswith("PermissionError")
    assert confined("import fcntl; fcntl.ioctl(0, 0x5401, bytes(60))").startswith("OSError: [Errno")


@pytest.mark.parametrize(
    "change",
    [
        "resource.prlimit(1, resource.RLIMIT_NOFILE, (3, 3))",
        "os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))",
        "os.sched_setaffinity(1, {0})",
        "os.setpriority(os.PRIO_PROCESS, 1, 19)",
        "os.setpriority(os.PRIO_USER, os.getuid(), 19); assert os.getpriority(0, 1) == 0",
    ],
)
def test_the_process_that_watches_it_cannot_be_slowed_or_limited(confined, change):
    assert confined(f"import resource; {change}").startswith("PermissionError")
    assert confined("import resource; say(resource.prlimit(0, resource.RLIMIT_CORE)[0])") == "1"


def test_it_cannot_trace_its_own_child(confined):
    code = (
        "import time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    time.sleep(60)\n" + CALL + f"call({number_of('ptrace')}, 16, child, 0, 0)"
    )
    assert confined(code) == "EPERM"


def test_signals_reach_its_own_processes_only(confined):
    here = os.getpid()
    assert confined(f"os.kill({here}, 9)").startswith("ProcessLookupError")
    code = "import signal; [os.kill(1, s) for s in (9, 15, 19, 2)]; say('still here')"
    assert confined(code) == "still here"


def test_messages_and_memory_of_other_processes_cannot_be_shared(confined):
    rows = confined(
        "[say(n, open(f'/proc/sysvipc/{n}').read().count('\\n')) for n in ('shm', 'sem')]"
    )
    assert rows == "shm 1\nsem 1"
