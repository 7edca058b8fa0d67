"""Work that runs beside what its caller goes on with: the same answer, in half the time."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")


def beside(work: Callable[[], T]) -> Callable[[], T]:
    """Begin ``work`` in a copy of this process and return a function that waits for its result.

    With one core, or where processes cannot be copied safely (not on Linux), the work is done
    when its result is asked for. The copy shares no state: what work changes stays there, and it
    may not use an open database. The result must be picklable, as must an error.

    Args:
        work: A pure computation.

    Returns:
        A function to call once; it raises what the work raised.
    """
    # A copy makes no copies of its own: whoever asked for it has the other core already.
    is_copy = multiprocessing.current_process().daemon
    if is_copy or sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return work
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(work, sender), daemon=True)
    with warnings.catch_warnings():
        # Python 3.12 warns of threads, which do not exist in the copy: none holds a lock here.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()

    def result() -> T:
        try:
            value, error = receiver.recv()
        except EOFError as gone:
            process.join()
            msg = f"the process beside this one was ended (exit code {process.exitcode})"
            raise RuntimeError(msg) from gone
        process.join()
        if error is not None:
            raise error
        found: T = value
        return found

    return result


def _answer(work: Callable[[], T], sender: Connection) -> None:
    try:
        sender.send((work(), None))
    except Exception as error:
        sender.send((None, error))
