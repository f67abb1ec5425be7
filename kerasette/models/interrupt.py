"""Ctrl-C while a model runs: remembered, and acted on between two steps."""

import signal
import threading


class Interrupt:
    """Context in which the first Ctrl-C sets `asked` and the second raises KeyboardInterrupt.

    A step that is cut in two would leave some weights updated and others not. Outside the main
    thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self):
        self.asked = False
        self._before = None

    def __enter__(self):
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def raise_if_asked(self):
        """Raises the KeyboardInterrupt that was held back."""
        if self.asked:
            raise KeyboardInterrupt
