"""For tests that press Ctrl-C."""

import signal
import sys

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts: a job of CI, perhaps.
HEARD = {} if sys.platform == "win32" else {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
"""Arguments for ``subprocess.Popen``: the process hears Ctrl-C, whoever runs the tests."""
