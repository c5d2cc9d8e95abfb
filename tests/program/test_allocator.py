import os
import subprocess
import sys

import pytest

from streamforest.program.allocator import LEAST_ADDRESSES, give_back_large_blocks

HOLES = """
import os, sys
from streamforest.program.allocator import LEAST_ADDRESSES, give_back_large_blocks
if sys.argv[1] == "flat":
    assert give_back_large_blocks()
def pages():
    return int(open("/proc/self/statm").read().split()[1])
held = []
bytearray(16 << 20)  # freed at once: from now on glibc would take smaller ones from its heap
before = pages()
for _ in range(200):
    large = [bytearray(200_000) for _ in range(20)]
    held.append(bytes(2_000))
    del large
print((pages() - before) * os.sysconf("SC_PAGE_SIZE"))
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="glibc"
)
def test_large_blocks_go_back_as_soon_as_they_are_free():
    grown = {}
    for way in ("flat", "usual"):
        words = [sys.executable, "-c", HOLES, way]
        grown[way] = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert grown["flat"] < 1_000_000 < grown["usual"]


def test_another_system_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not give_back_large_blocks()


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_below_the_least_of_addresses_a_run_ends_in_one_line_before_anything_is_loaded():
    least = LEAST_ADDRESSES // 1024
    for limit, can_load in ((least - 1, "False"), (least, "True"), ("unlimited", "True")):
        code = "from streamforest.program.allocator import can_load_packages; print(can_load_packages())"
        shell = ["sh", "-c", f'ulimit -v {limit}; exec "$@"', "sh", sys.executable, "-c", code]
        assert subprocess.run(shell, capture_output=True, text=True, check=True).stdout.strip() == can_load
