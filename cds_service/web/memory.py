"""What the process asks of Python's collector and of the C library, so that memory stands still.

Why: docs/decisions/0025-speed.md.
"""

from __future__ import annotations

import ctypes
import gc

_MEBIBYTE = 1024 * 1024
_COLLECT_AFTER_ALLOCATIONS = 500_000
_GLIBC_TRIM_THRESHOLD, _GLIBC_MMAP_THRESHOLD, _GLIBC_ARENA_MAX = -1, -3, -8


def collect_seldom() -> None:
    """Keep the collector from what is there now, and from looking through bodies being read.

    A long body makes hundreds of thousands of objects, which go without it. The few in cycles that
    each call leaves are collected by the clock; the threshold is for those that come in masses.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_ALLOCATIONS, 50, 50)


def give_memory_back() -> None:
    """Have the C library return what large bodies took; to be called before threads start.

    By default each thread keeps a heap of its own: 50 hostile bodies of 4 MB leave 300 MB behind,
    for good. Other C libraries than glibc have no such call.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return
    set_option(_GLIBC_ARENA_MAX, 2)
    set_option(_GLIBC_MMAP_THRESHOLD, _MEBIBYTE)
    set_option(_GLIBC_TRIM_THRESHOLD, 16 * _MEBIBYTE)
