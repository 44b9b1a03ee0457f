"""Collect the advice of plugins about a graph."""

from __future__ import annotations

from typing import NamedTuple

from unetgen.config.registry.plugin import PluginFailure
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.graph.graph import Graph


class Advice(NamedTuple):
    """A sentence and the plugin that it comes from."""

    provider: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.sentence} ({self.provider})"


def collect_advice(registry: Registry, spec: Spec, graph: Graph) -> list[Advice]:
    """Return the advice of every installed plugin; a plugin that fails is recorded in the registry."""
    advice = []
    for provider, contributions in registry.iter_contributions():
        if (hook := contributions.find_hook("unetgen_advice")) is None:
            continue
        try:
            result = hook(spec=spec, graph=graph)
            sentences = [result] if isinstance(result, str) else list(result or ())
        except Exception as error:
            registry.record_failure(PluginFailure(provider, error, activity="to give advice"))
            continue
        advice += [Advice(str(provider), str(sentence)) for sentence in sentences]
    return advice
