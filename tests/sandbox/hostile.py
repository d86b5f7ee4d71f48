"""A hostile MCP server over stdio: each tool is an attempt to leave its box, or to trouble the machine.

It runs on the system's Python with nothing installed. A tool answers ``ESCAPED ...`` when it got what it
wanted, and ``contained: ...`` with what stopped it otherwise.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
SYSCALLS = {"x86_64": {"clone3": 435, "io_uring_setup": 425, "keyctl": 250, "bpf": 321},
            "aarch64": {"clone3": 435, "io_uring_setup": 425, "keyctl": 219, "bpf": 280}}  # fmt: skip
MIB = 1024 * 1024
ESCAPES = {}


class Contained(Exception):
    """What stopped it."""


def escape(function):
    ESCAPES[function.__name__] = function
    return function


def call(name, *arguments):
    """Call a function of libc and raise what it fails with."""
    answer = getattr(LIBC, name)(*arguments)
    if answer == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
    return answer


def first(attempts):
    """Return what the first attempt that works gives; when none does, say what stopped each."""
    stopped = []
    for attempt in attempts:
        try:
            return attempt()
        except (OSError, ValueError, Contained, subprocess.SubprocessError) as error:
            stopped.append(f"{type(error).__name__} {error}")
    raise Contained("; ".join(stopped))


def read(path):
    with open(path, "rb") as file:
        return f"{path}: {file.read(200)!r}"


def write(path):
    with open(path, "ab") as file:
        file.write(b"owned\n")
    return f"wrote {path}"


# files


@escape
def read_shadow():
    return read("/etc/shadow")


@escape
def read_settings(settings):
    return read(settings)


@escape
def write_database(database):
    def change():
        descriptor = os.open(
            database, os.O_WRONLY | os.O_APPEND
        )  # one of its own that it makes there is no success
        os.write(descriptor, b"owned")
        return f"wrote {database}"

    return first([lambda: read(database), change, lambda: os.truncate(database, 0)])


@escape
def read_environment_of_others(portal):
    for process in ("1", str(portal), str(os.getppid())):
        try:
            found = read(f"/proc/{process}/environ")
        except OSError:
            continue
        if "=" in found.partition(":")[2]:
            return found
    raise Contained("no environment but its own")


@escape
def read_files_of_another_box(other):
    return first([lambda: read(f"{other}/notes"), lambda: os.listdir(other), lambda: write(f"{other}/notes")])


@escape
def write_outside(outside):
    places = (outside, "/usr/lib", "/etc", "/", "/dev", "/var/tmp", "/sys/fs/cgroup")
    return first([lambda place=place: write(f"{place}/owned") for place in places])


@escape
def follow_links(settings, own):
    link = f"{own}/link"
    os.symlink(settings, link)
    os.symlink("/", f"{own}/root")
    return first(
        [lambda: read(link), lambda: read(f"{own}/root{settings}"), lambda: os.link(settings, f"{own}/hard")]
    )


@escape
def leave_through_proc(settings, portal):
    places = [f"/proc/{one}/{way}" for one in ("self", "1", portal, os.getppid()) for way in ("root", "cwd")]
    found = [f"fd {one}" for one in os.listdir("/proc/self/fd") if int(one) > 3]
    if found:
        return f"it inherited {found}"
    return first([lambda place=place: read(f"{place}/..{settings}") for place in places]
                 + [lambda place=place: read(f"{place}{settings}") for place in places])  # fmt: skip


@escape
def replace_its_program(program):
    return first(
        [lambda: write(program), lambda: os.unlink(program), lambda: os.rename(program, program + "x")]
    )


@escape
def make_a_device(own):
    return first([lambda: os.mknod(f"{own}/disk", 0o60666, os.makedev(8, 0)),
                  lambda: os.mknod(f"{own}/memory", 0o20666, os.makedev(1, 1))])  # fmt: skip


# privileges and the kernel


@escape
def become_root(setuid):
    def run():
        answer = subprocess.run([setuid, "-u"], capture_output=True, text=True, timeout=10, check=False)
        if answer.stdout.strip() != "0":
            raise Contained(f"setuid gave {answer.stdout.strip() or answer.stderr.strip()}")
        return "a setuid program ran as root"

    return first([run, lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0])])


@escape
def mount():
    return first([lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
                  lambda: call("mount", b"/", b"/tmp", None, 4096, None),
                  lambda: call("umount2", b"/usr", 2),
                  lambda: call("chroot", b"/tmp")])  # fmt: skip


@escape
def make_namespaces():
    machine = SYSCALLS.get(os.uname().machine, {})
    flags = (0x10000000, 0x00020000, 0x40000000)
    return first([lambda flag=flag: call("unshare", flag) for flag in flags]
                 + [lambda flag=flag: clone(flag) for flag in flags]
                 + [lambda: call("syscall", machine["clone3"], None, 0)])  # fmt: skip


def clone(flag):
    child = call("syscall", 56 if os.uname().machine == "x86_64" else 220, flag | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return f"cloned with {flag:#x}"


@escape
def trace(portal):
    attach, seize = 16, 0x4206
    return first([lambda one=one, how=how: f"{call('ptrace', how, one, 0, 0)} traces {one}"
                  for one in (1, portal, os.getppid()) for how in (attach, seize)])  # fmt: skip


@escape
def write_memory_of_others(portal):
    def poke(process):
        with open(f"/proc/{process}/maps") as maps:
            start = int(next(line for line in maps if "r-x" in line).partition("-")[0], 16)
        with open(f"/proc/{process}/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            data = memory.read(8)
            memory.seek(start)
            memory.write(data)
        return f"wrote the memory of {process}"

    return first([lambda one=one: poke(one) for one in (1, portal, os.getppid())])


@escape
def change_the_kernel():
    names = (
        "kernel/core_pattern",
        "vm/overcommit_memory",
        "kernel/randomize_va_space",
        "net/ipv4/ip_forward",
    )

    def put(name):
        path = f"/proc/sys/{name}"
        with open(path) as file:
            old = file.read()
        with open(path, "w") as file:
            file.write(old)
        return f"wrote {path}"

    return first([lambda name=name: put(name) for name in names]
                 + [lambda: write("/proc/sysrq-trigger"), lambda: call("sethostname", b"x", 1)])  # fmt: skip


@escape
def use_dangerous_calls():
    machine = SYSCALLS.get(os.uname().machine, {})
    return first([lambda: call("syscall", machine["keyctl"], 0, -3, 1),
                  lambda: call("syscall", machine["bpf"], 0, 0, 0),
                  lambda: call("syscall", machine["io_uring_setup"], 1, ctypes.create_string_buffer(120)),
                  lambda: call("personality", 0x0040000),
                  lambda: call("swapoff", b"/dev/null")])  # fmt: skip


@escape
def type_into_a_terminal():
    _, slave = os.openpty()
    return first([lambda high=high: call("ioctl", slave, ctypes.c_ulong(0x5412 | high), b"x")
                  for high in (0, 1 << 32)])  # fmt: skip


@escape
def raise_its_limits():
    def higher():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
        return "more open files"

    def cgroup():
        with open("/proc/self/cgroup") as file:
            lines = file.readlines()
        for line in lines:
            _, names, path = line.strip().split(":", 2)
            for root in (f"/sys/fs/cgroup/{names}", "/sys/fs/cgroup"):
                if os.access(f"{root}{path}/cgroup.procs", os.W_OK):
                    return f"may write {root}{path}"
        raise Contained("no cgroup can be written")

    return first([higher, cgroup])


# other processes


@escape
def signal_others(portal):
    return first([lambda: os.kill(portal, signal.SIGUSR1) or "signalled the portal",
                  lambda: os.kill(portal, 0) or "the portal could be signalled",
                  lambda: os.kill(1, 0) or "process 1 could be signalled",
                  lambda: os.killpg(os.getpgid(portal), 0) or "its group could be signalled"])  # fmt: skip


@escape
def limit_others(portal):
    old = ctypes.create_string_buffer(16)
    return first([lambda: call("prlimit64", portal, 7, None, old) or "may set the portal's limits",
                  lambda: os.sched_setaffinity(portal, {0}) or "bound the portal to a processor",
                  lambda: os.setpriority(os.PRIO_PROCESS, portal, 19) or "slowed the portal"])  # fmt: skip


@escape
def see_others(portal):
    found = [one for one in os.listdir("/proc") if one.isdecimal()]
    if str(portal) in found or len(found) > 8:
        return f"sees {len(found)} processes"
    raise Contained(f"sees {len(found)} processes, its own")


@escape
def outlive_its_box(mark):
    if os.fork() == 0:
        for step in (os.setsid, os.setpgrp):
            with contextlib.suppress(OSError):
                step()
        if os.fork() == 0:
            for descriptor in (0, 1, 2):
                os.close(descriptor)
            os.execv("/usr/bin/python3", ["python3", "-c", f"import time; {mark!r}; time.sleep(600)"])
        os._exit(0)
    raise Contained("left a process behind")


# network


@escape
def connect_by_address(port):
    def tcp(family, host):
        with socket.socket(family) as made:
            made.settimeout(3)
            made.connect((host, port))
        return f"connected to {host}"

    def udp():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.sendto(b"hello", ("127.0.0.1", port))
        return "sent a datagram"

    return first([lambda: tcp(socket.AF_INET, "127.0.0.1"), lambda: tcp(socket.AF_INET, "1.1.1.1"),
                  lambda: tcp(socket.AF_INET6, "::1"), udp])  # fmt: skip


@escape
def resolve_a_name(resolver):
    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.settimeout(3)
            made.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1", tuple(resolver))
            made.recv(512)
        return "a resolver answered"

    return first([lambda: str(socket.getaddrinfo("example.com", 443)), ask])


@escape
def use_other_sockets():
    families = {"packet": 17, "netlink": 16, "vsock": 40, "alg": 38, "can": 29, "bluetooth": 31}

    def make(family):
        socket.socket(family, socket.SOCK_RAW if family in (16, 17) else socket.SOCK_DGRAM).close()
        return f"made a socket of family {family}"

    return first([lambda family=family: make(family) for family in families.values()])


@escape
def connect_to_unix_sockets(sockets):
    def connect(path):
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(3)
            made.connect(path)
        return f"connected to {path!r}"

    return first([lambda path=path: connect(path) for path in sockets])


@escape
def connect_to_an_abstract_socket(name):
    return ESCAPES["connect_to_unix_sockets"](["\0" + name])


# exhaustion


@escape
def fork_without_end(most):
    return multiply(most, lambda: time.sleep(600))


@escape
def leave_zombies(most):
    return multiply(most, lambda: None)


def multiply(most, live):
    for made in range(10 * most):
        try:
            child = os.fork()
        except OSError as error:
            raise Contained(f"{error} after {made} processes") from None
        if child == 0:
            live()
            os._exit(0)
    return f"{10 * most} processes"


@escape
def use_up_memory(most):
    kept = []
    try:
        while len(kept) * 16 * MIB < 4 * most:
            kept.append(bytearray(os.urandom(4096)) * 4096)
    except MemoryError:
        raise Contained(f"no memory behind {len(kept) * 16} MiB") from None
    return f"{len(kept) * 16} MiB"


@escape
def use_up_shared_memory(most):
    descriptor = os.memfd_create("hog")
    block = os.urandom(4096) * 256
    written = 0
    try:
        while written < 4 * most:
            written += os.write(descriptor, block)
    except OSError as error:
        raise Contained(f"{error} behind {written // MIB} MiB") from None
    return f"{written // MIB} MiB"


@escape
def fill_its_folders(most, places):
    block = b"x" * MIB
    for place in (os.environ["TMPDIR"], *places):
        written = number = 0
        while written <= most:
            try:
                with open(f"{place}/fill{number}", "wb", buffering=0) as file:
                    while file.tell() < 8 * MIB:
                        written += file.write(block)
                number += 1
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOENT):
                    raise
                break
        if written > most:
            return f"{written // MIB} MiB in {place}"
    raise Contained("every folder has its size")


@escape
def write_a_long_file(own, most):
    written = 0
    with open(f"{own}/long", "wb", buffering=0) as file:
        while written <= most:
            written += file.write(b"x" * min(MIB, most + 1))
    return f"{written} bytes"


@escape
def open_without_end(most):
    kept = []
    try:
        while len(kept) <= most:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        raise Contained(f"{error} after {len(kept)} files") from None
    finally:
        for one in kept:
            os.close(one)
    return f"{len(kept)} open files"


@escape
def spin(seconds):
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    end = time.process_time() + 3 * seconds + 6
    while time.process_time() < end:
        pass
    return f"ran for {3 * seconds + 6} s"


@escape
def spin_without_heed(seconds):
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    end = time.process_time() + 3 * seconds + 10
    while time.process_time() < end:
        pass
    return "outran its limit"


# output


@escape
def write_without_newlines(size):
    block = b"x" * MIB
    for _ in range(size // MIB):
        os.write(1, block)
    raise Contained("wrote it all")


@escape
def flood_stderr(size):
    block = b"complaint\n" * 10_000
    written = 0
    while written < size:
        written += os.write(2, block)
    raise Contained(f"wrote {written}")


def answer(message):
    name = message.get("params", {}).get("name", "")
    match message.get("method"):
        case "initialize":
            version = message["params"].get("protocolVersion", "2025-06-18")
            return {"protocolVersion": version, "capabilities": {"tools": {}},
                    "serverInfo": {"name": "hostile", "version": "1"}}  # fmt: skip
        case "tools/list":
            return {"tools": [{"name": one, "inputSchema": {"type": "object"}} for one in ESCAPES]}
        case "tools/call":
            text = attempt(ESCAPES[name], message["params"].get("arguments", {}))
            return {"content": [{"type": "text", "text": text}], "isError": False}
        case _:
            return {}


def attempt(function, arguments):
    try:
        return f"ESCAPED {function(**arguments)}"
    except (OSError, ValueError, Contained, subprocess.SubprocessError) as error:
        return f"contained: {type(error).__name__} {error}"


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message)}), flush=True)


if __name__ == "__main__":
    main()
