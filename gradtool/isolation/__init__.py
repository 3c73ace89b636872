"""Running the user's code in processes of its own: ``run`` is what a program calls, ``worker`` what the processes do."""

from gradtool.isolation.crew import Finished, MisuseError, Progress, cores, run
from gradtool.isolation.messages import Task

__all__ = ["Finished", "MisuseError", "Progress", "Task", "cores", "run"]
