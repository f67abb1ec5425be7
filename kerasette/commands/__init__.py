"""The command line: `python -m kerasette inspect FILE`, `convert IN OUT`, `check FILE`.

Results go to the standard output, errors as one line to the standard error. The exit code is 0 where all
went well, 1 where the work failed (a disk that is full, a file that the check refuses), and 2 where what
was asked for can't be used (an unknown command, no such file, a file that can't be read).
"""

import argparse
import os
import sys
import traceback
import warnings

from kerasette.commands.pages import one_line
from kerasette.errors import InvalidType, InvalidValue, LoadError, MissingFile

FAILED, UNUSABLE, STOPPED = 1, 2, 130
_EPILOG = "Exit codes: 0 done, 1 failed or refused by check, 2 nothing that can be used."


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message):
        sys.stderr.write(f"{self.prog}: {message}. Try '{self.prog} --help'.\n")
        raise SystemExit(UNUSABLE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="kerasette", description="Files of models.", epilog=_EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    look = commands.add_parser("inspect", help="show what is in a file; runs nothing, loads no weights")
    look.add_argument("file", metavar="FILE", help=".keras, .weights.h5, .h5, .hdf5 or .json")

    convert = commands.add_parser("convert", help="read a model and write it in another form")
    convert.add_argument("source", metavar="IN", help=".keras, .h5 or .hdf5")
    convert.add_argument("target", metavar="OUT", help=".keras, .h5, .weights.h5 or .json (without weights)")
    convert.add_argument("--force", action="store_true", help="replace OUT where it exists")

    check = commands.add_parser("check", help="try a file in a process with limits; say if it is sound")
    check.add_argument("file", metavar="FILE", help=".keras, .weights.h5, .h5, .hdf5 or .json")
    check.add_argument(
        "--memory", type=_size, metavar="MB", help="that it may take (300 and 4 times the file)"
    )
    check.add_argument("--seconds", type=_size, default=60, metavar="S", help="for all of it (60)")
    check.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # the process with limits

    for command in (look, convert, check):
        command.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def _size(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        arguments: of the command line without the program's name; by default those of this process.
    """
    for stream in (sys.stdout, sys.stderr):  # a name in a file may have signs that the terminal hasn't
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _say_warning
        try:
            return _run(options)
        except (KeyboardInterrupt, BrokenPipeError) as problem:
            return _left(problem)
        except Exception as problem:
            if options.debug:
                traceback.print_exc()
            _say(options.command, problem)
            return _code(options.command, problem)


def _run(options):
    from kerasette.commands import checking, converting, inspecting

    if options.command == "inspect":
        sys.stdout.write(inspecting.page(options.file))
    elif options.command == "convert":
        sys.stdout.write(converting.convert(options.source, options.target, options.force))
    elif options.inside:
        sys.stdout.write(checking.inside(options.file))
    else:
        return checking.outside(options.file, options.memory, options.seconds, options.debug)
    sys.stdout.flush()
    return 0


def _code(command, problem):
    """Returns the exit code of an error: what the user gave can't be used, or something failed."""
    if isinstance(problem, MissingFile):
        return UNUSABLE
    if command == "check" and isinstance(problem, LoadError):
        return FAILED  # that is the answer which was asked for
    return UNUSABLE if isinstance(problem, (InvalidValue, InvalidType)) else FAILED


def _say(command, problem):
    """Writes an error as one line."""
    ours = isinstance(problem, (InvalidValue, InvalidType, OSError, MemoryError))
    text = str(problem) or type(problem).__name__
    if isinstance(problem, MemoryError):
        text = "there isn't enough memory; a sound file of this size would take less"
    if not ours:
        text = f"this shouldn't have happened: {problem!r}. Add --debug to see where."
    sys.stderr.write(f"kerasette {command}: {one_line(text)}\n")


def _say_warning(message, *_, **__):
    sys.stderr.write(f"kerasette: warning: {one_line(str(message))}\n")


def _left(problem):
    """Returns the code where the reader of our output, or the user, has left; says nothing any more."""
    if isinstance(problem, KeyboardInterrupt):
        return STOPPED
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
    return FAILED
