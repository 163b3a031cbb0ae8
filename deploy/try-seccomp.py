#!/usr/bin/env python3
"""Runs a program under seccomp.json, without Docker: try-seccomp.py PROGRAM [ARGUMENT...]

It makes the filter that Docker would make of the profile (allow the calls that it names, refuse the
others with EPERM), installs it, and executes the program. x86-64 only; the numbers of the calls are
those of asm/unistd_64.h.
"""

import ctypes
import json
import os
import pathlib
import re
import struct
import sys

here = pathlib.Path(__file__).parent
profile = json.loads((here / "seccomp.json").read_text())
headers = [
    "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "/usr/include/asm/unistd_64.h",
]
header = next(path for path in headers if os.path.exists(path))
numbers = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", open(header).read()))

numbers.setdefault("cachestat", "451")  # Linux 6.5

assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
names = [name for rule in profile["syscalls"] for name in rule["names"]]
assert len(names) == len(set(names)), "a name stands twice"
unknown = [name for name in names if name not in numbers]
if unknown:
    print("not in this machine's header:", *unknown, file=sys.stderr)
allowed = sorted(int(numbers[name]) for name in names if name in numbers)

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050001, 0x80000000
program = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, 0xC000003E), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
for number in allowed:
    program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
program += [(RETURN, 0, 0, ERRNO)]
code = b"".join(struct.pack("HBBI", *step) for step in program)
filters = ctypes.create_string_buffer(code, len(code))
fprog = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(filters))

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
for call in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog, 0, 0)]:
    if libc.prctl(*call) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
