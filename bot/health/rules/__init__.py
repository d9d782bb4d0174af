"""How is one object? One small pure rule per kind: a body and its Pods in, a `Health` out.

The order is kstatus's: an object being deleted or seen in an older generation is progressing, then the kind's rule,
then conditions. What we add, because people wait for it: Pods that cannot run (image, crash loop) degrade their
workload at once.
"""

from bot.health.rules.assess import assess

__all__ = ["assess"]
