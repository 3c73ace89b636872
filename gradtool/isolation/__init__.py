"""Running the user's code in processes of its own: ``run`` is what a program calls, ``worker`` what the processes do, ``crew``
looks after them on this machine and ``cluster`` on others."""

from gradtool.isolation.ledger import Finished, MisuseError, Progress
from gradtool.isolation.messages import ClusterError, Task
from gradtool.isolation.running import cores, run

__all__ = ["ClusterError", "Finished", "MisuseError", "Progress", "Task", "cores", "run"]
