"""Where the parts of one batch add up what each of them knows, as BatchNormalization does."""

import threading


class Stopped(Exception):
    """Another part of the batch has failed."""


class Meeting:
    """Lets the parts of a batch run in threads of their own and wait for one another.

    However many parts there are, at most `workers` of them run at a time; who waits makes room. Sums are
    taken in the order of the parts, so neither threads nor their number change any bit.

    Args:
        parts: how many parts the batch has.
    """

    def __init__(self, parts: int):
        self._parts = parts
        self._values = [None] * parts
        self._change = threading.Condition()
        self._room = 0
        self._round = 0
        self._failed = False
        self.begin(1)

    def begin(self, workers: int) -> None:
        """Makes ready for a batch of which at most `workers` parts run at a time."""
        self._room, self._failed, self._came, self._sum = workers, False, 0, None

    def run(self, task):
        """Returns task(), run when there is room for it."""
        self._enter()
        try:
            return task()
        except BaseException:
            self.stop()
            raise
        finally:
            self._leave()

    def total(self, part: int, array):
        """Returns the sum of the arrays that all parts bring; `part` brings `array`.

        Raises:
            Stopped: where another part has failed and won't come.
        """
        with self._change:
            self._values[part] = array
            self._came += 1
            if self._came == self._parts:
                self._sum = sum(self._values[1:], self._values[0])
                self._came, self._round = 0, self._round + 1
                self._change.notify_all()
                return self._sum
            current = self._round
            self._room += 1
            self._change.notify_all()
            self._change.wait_for(lambda: self._failed or (self._round != current and self._room > 0))
            self._room -= 1
            if self._failed:
                raise Stopped
            return self._sum

    def stop(self) -> None:
        """Sends the other parts home."""
        with self._change:
            self._failed = True
            self._change.notify_all()

    def _enter(self):
        with self._change:
            self._change.wait_for(lambda: self._room > 0 or self._failed)
            self._room -= 1

    def _leave(self):
        with self._change:
            self._room += 1
            self._change.notify_all()
