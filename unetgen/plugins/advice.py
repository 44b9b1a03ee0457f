"""Advice: what plugins have to say about a finished graph."""

from __future__ import annotations

from typing import NamedTuple

from unetgen.config.registry.plugin import PluginFailure
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.graph.graph import Graph


class Advice(NamedTuple):
    """A sentence and whose it is."""

    provider: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.sentence} ({self.provider})"


def collect_advice(registry: Registry, spec: Spec, graph: Graph) -> list[Advice]:
    """What every installed plugin says of a network. One that fails is noted in the registry, and says nothing."""
    said = []
    for provider, gifts in registry.iter_contributions():
        if (hook := gifts.find_hook("unetgen_advice")) is None:
            continue
        try:
            answer = hook(spec=spec, graph=graph)
            sentences = [answer] if isinstance(answer, str) else list(answer or ())
        except Exception as error:
            registry.record_failure(PluginFailure(provider, error, activity="to give advice"))
            continue
        said += [Advice(str(provider), str(sentence)) for sentence in sentences]
    return said
