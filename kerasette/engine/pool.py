"""Worker threads, and BLAS held to one thread while they run."""

import os
from functools import cache


class Pool:
    """The worker threads of this process, started when first needed."""

    _executor = None
    _size = 0

    @classmethod
    def submit(cls, size, task):
        """Hands `task` to one of `size` threads; returns its future."""
        from concurrent.futures import ThreadPoolExecutor

        if cls._executor is None or cls._size < size:
            if cls._executor is not None:
                cls._executor.shutdown(wait=False)
            cls._executor, cls._size = ThreadPoolExecutor(size, thread_name_prefix="kerasette"), size
        return cls._executor.submit(task)

    @classmethod
    def forget(cls):
        """Drops the threads: a forked child has none of its parent's."""
        cls._executor, cls._size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Pool.forget)


@cache
def _thread_pools():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def single_threaded_blas():
    """Returns a context that holds BLAS to one thread and restores it.

    The pools of BLAS are found once for the process: looking for them takes longer than a small step.
    """
    return _thread_pools().limit(limits=1, user_api="blas")
