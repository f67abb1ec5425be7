"""Worker threads, and BLAS held to one thread while they run."""

import os
import threading
from functools import cache


class Pool:
    """The worker threads of this process, started when first needed."""

    _executor = None
    _size = 0
    _lock = threading.Lock()

    @classmethod
    def submit(cls, size, task):
        """Hands `task` to one of at least `size` threads; returns its future."""
        from concurrent.futures import ThreadPoolExecutor

        with cls._lock:
            if cls._executor is None or cls._size < size:
                if cls._executor is not None:
                    cls._executor.shutdown(wait=False)
                cls._executor, cls._size = ThreadPoolExecutor(size, thread_name_prefix="kerasette"), size
            return cls._executor.submit(task)

    @classmethod
    def forget(cls):
        """Drops the threads: a forked child has none of its parent's."""
        cls._executor, cls._size, cls._lock = None, 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Pool.forget)


@cache
def _thread_pools():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class _SingleThreadedBlas:
    """Context that holds BLAS to one thread; the last one to leave restores what the first one found."""

    def __init__(self):
        self._lock = threading.Lock()
        self._inside = 0
        self._limit = None

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._limit = _thread_pools().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


_SINGLE = _SingleThreadedBlas()


def single_threaded_blas():
    """Returns a context that holds BLAS to one thread and restores it; contexts may overlap.

    The pools of BLAS are found once for the process: looking for them takes longer than a small step.
    """
    return _SINGLE
