"""Threads that help the calling thread, and BLAS held to one thread while they do.

A helper waits for one task at a time behind a lock: it begins after a few microseconds, where a queue and
a future would take three times as long.
"""

import os
import threading
import time
from functools import cache

_idle = []  # helpers without a task


class _Helper(threading.Thread):
    """A thread that runs one task after another."""

    def __init__(self):
        super().__init__(name="kerasette", daemon=True)
        self._begin, self._end = threading.Lock(), threading.Lock()
        self._begin.acquire()
        self._end.acquire()
        self._task = self._failure = None
        self.start()

    def run(self):
        while True:
            self._begin.acquire()
            self._do()
            self._end.release()

    def _do(self):
        try:
            self._task()
        except BaseException as problem:
            self._failure = problem
        self._task = None  # it may hold a whole model

    def begin(self, task):
        self._task, self._failure = task, None
        self._begin.release()
        return self

    def wait(self):
        """Waits for the task, even where Ctrl-C ends the waiting; returns what was raised, or None."""
        if self.is_alive():
            try:
                self._end.acquire()
            except BaseException as problem:
                while self._task is not None:  # it works on arrays that others may get next
                    time.sleep(1e-4)
                return problem  # the helper isn't used again: nobody knows whether the lock was taken
            _idle.append(self)
        elif self._task is not None:  # in a forked child: the thread stayed with the parent
            self._do()
        failure, self._failure = self._failure, None
        return failure


def later(task) -> _Helper:
    """Lets a helper run a function without arguments; returns the helper: `finish(helper)` must follow."""
    try:
        helper = _idle.pop()
    except IndexError:
        helper = _Helper()
    return helper.begin(task)


def finish(*helpers) -> None:
    """Waits for all tasks begun by `later`; raises what the first of them raised."""
    failures = [helper.wait() for helper in helpers]
    for failure in failures:
        if failure is not None:
            raise failure


def together(tasks) -> None:
    """Runs functions without arguments, each in a thread, the first in this one; waits for all.

    Raises:
        What the first task that failed raised.
    """
    helpers = [later(task) for task in tasks[1:]]
    try:
        tasks[0]()
    finally:
        finish(*helpers)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a forked child has none of its parent's threads


# ---------------------------------------------------------------- BLAS


@cache
def _libraries():
    """Returns what threadpoolctl has for each BLAS of this process; looking for them takes long."""
    from threadpoolctl import ThreadpoolController

    return [one for one in ThreadpoolController().lib_controllers if one.user_api == "blas"]


def _set_threads(library, count):
    """Sets how many threads a BLAS uses; threadpoolctl from 3.8 on listens to one thread until released."""
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    library.set_num_threads(count)


class _SingleThreadedBlas:
    """Context that holds BLAS to one thread; the last one to leave restores what the first one found."""

    def __init__(self):
        self._lock = threading.Lock()
        self._inside = 0
        self._before = ()

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._before = [library.get_num_threads() for library in _libraries()]
                for library in _libraries():
                    _set_threads(library, 1)
            self._inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for library, count in zip(_libraries(), self._before, strict=True):
                    _set_threads(library, count)


_SINGLE = _SingleThreadedBlas()


def single_threaded_blas():
    """Returns a context that holds BLAS to one thread and restores it; contexts may overlap."""
    return _SINGLE
