"""Simulated controllers: what controller-manager, scheduler, kubelet and a cloud would do to the sandbox's objects.

In come the changes of a cluster, out go the writes that a real control plane would make, a few hundred milliseconds
later. Each kind's decision is a pure function of its object, what is around it, and the time; `runner` executes them.
What is not simulated is listed in docs/sandbox.md.
"""

from bot.sandbox.kube.controllers.images import Fate, Images
from bot.sandbox.kube.controllers.life import Controllers
from bot.sandbox.kube.controllers.pace import Pace

__all__ = ["Controllers", "Fate", "Images", "Pace"]
