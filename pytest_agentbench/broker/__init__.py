"""What the workers of a session share: model clients, limits, sandboxes, journal, progress.

One :class:`~pytest_agentbench.broker.hub.Broker` lives in the controller on an event loop of its
own. The controller calls it directly; xdist workers reach it over a socket on loopback
(:mod:`~pytest_agentbench.broker.server`, :mod:`~pytest_agentbench.broker.client`) and so need to
import neither openai nor docker. Why: ARCHITECTURE.md, "One broker for all workers".
"""
