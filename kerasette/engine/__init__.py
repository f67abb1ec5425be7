"""From a graph to numbers: plan (what to run), executor (one thread's arrays), workers (who runs it)."""

from kerasette.engine.executor import Executor
from kerasette.engine.head import Head
from kerasette.engine.plan import Plan
from kerasette.engine.workers import Engine

__all__ = ["Engine", "Executor", "Head", "Plan"]
