"""Faults to catch: a process that takes another activation though a body left an alarm, a limit or another state of the
process behind, which then ends or fails a run that has nothing to do with it; a clean one that is thrown away."""

import builtins
import io
import os
import resource
import signal
import sys
import unittest

from holdfast_sdk.leftovers import Before, leftovers


class LeftoversTest(unittest.TestCase):
    def left(self, leave, undo):
        """What is found after ``leave``; afterwards all is as it was."""
        before = Before()
        self.addCleanup(undo)
        leave()
        found = leftovers(before)
        undo()
        self.assertEqual(leftovers(before), [])
        return found

    def test_a_process_that_is_as_it_was_has_none(self):
        before = Before()
        umask = os.umask(0o022)
        os.umask(umask)
        self.assertEqual(leftovers(before), [])
        self.assertEqual(os.umask(umask), umask)

    def test_timers_that_would_end_another_run(self):
        self.assertEqual(self.left(lambda: signal.alarm(1_000), lambda: signal.alarm(0)), ["timer"])
        for each in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            self.assertEqual(
                self.left(lambda: signal.setitimer(each, 1_000), lambda: signal.setitimer(each, 0)), ["timer"]
            )

    def test_limits_of_the_process(self):
        for each in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
            soft, hard = resource.getrlimit(each)
            less = 1_000 if soft == resource.RLIM_INFINITY or soft > 1_000 else soft + 1
            if hard not in (resource.RLIM_INFINITY,) and less > hard:
                continue
            found = self.left(
                lambda: resource.setrlimit(each, (less, hard)), lambda: resource.setrlimit(each, (soft, hard))
            )
            self.assertEqual(found, ["process limit"])

    def test_the_mask_of_new_files(self):
        umask = os.umask(0)
        os.umask(umask)
        self.assertEqual(self.left(lambda: os.umask(umask ^ 0o007), lambda: os.umask(umask)), ["umask"])

    def test_streams_builtins_and_places_of_modules(self):
        streams, printing, path = (sys.stdout, sys.stderr), builtins.print, list(sys.path)

        def undo():
            sys.stdout, sys.stderr = streams
            builtins.print = printing
            sys.path[:] = path

        def say(name):
            setattr(sys, name, io.StringIO())

        for name in ("stdout", "stderr"):
            self.assertEqual(self.left(lambda: say(name), undo), ["standard stream"])
        self.assertEqual(self.left(lambda: setattr(builtins, "print", len), undo), ["builtin"])
        self.assertEqual(self.left(lambda: sys.path.insert(0, "/elsewhere"), undo), ["sys.path"])


if __name__ == "__main__":
    unittest.main()
