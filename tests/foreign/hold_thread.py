"""Holds one thread of a process still: hold_thread.py PID NAME.

Prints `held` once it stands, and lets it go when standard input ends. The other threads go on.
Exits with 3 where the system does not allow it.
"""

import ctypes
import os
import sys

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
# Threads are waited for too (waitpid(2), __WALL).
WALL = 0x40000000


def thread_named(pid, name):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm") as file:
            if file.read().strip() == name:
                return int(thread)
    sys.exit(f"no thread is called {name}")


def main():
    pid, name = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    thread = thread_named(pid, name)
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, thread, None, None) != 0:
            print(os.strerror(ctypes.get_errno()), file=sys.stderr)
            sys.exit(3)
    os.waitpid(thread, WALL)
    print("held", flush=True)
    # The end of this process lets it go.
    sys.stdin.read()


main()
