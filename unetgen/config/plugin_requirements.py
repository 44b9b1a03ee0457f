"""Explain which plugins a spec requires: missing plugins, failed ones, and other versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from unetgen.config.registry.plugin import FILE_VERSION_PREFIX, Provider, normalize_distribution_name
from unetgen.config.registry.registry import Registry
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem


def add_install_hints(problems: list[Problem], requirements: Sequence[str], registry: Registry) -> list[Problem]:
    """Return the problems, with an install hint for each unknown part of a required plugin.

    Args:
        problems: The problems of the spec.
        requirements: The plugins in the spec's ``plugins``, such as ``acme-unet 1.2``.
        registry: The registry that the spec was resolved with.

    Raises:
        PluginError: A plugin that failed is the likely cause of an unknown part.
    """
    unknown = [problem for problem in problems if problem.code == "unknown_part"]
    if not unknown:
        return problems
    names = {normalize_distribution_name(name.partition(" ")[0]): name for name in requirements}
    # A name similar to no other is more likely a part of the failed plugin than a typo.
    unsimilar = [p for p in unknown if p.message.startswith("unknown ") and "did you mean" not in p.hint]
    for failure in registry.failures:
        vendors = [problem for problem in unknown if f"'{failure.provider.name}/" in problem.message]
        if vendors or unsimilar or normalize_distribution_name(failure.provider.name) in names:
            raise failure.to_error((vendors or unsimilar or unknown)[0])
    installed = {normalize_distribution_name(plugin.provider.name) for plugin in registry.plugins}
    missing = [name for key, name in names.items() if key not in installed]
    if not missing:
        return problems
    hint = "; ".join(_format_install_hint(name, registry) for name in missing)
    return [replace(p, hint=hint) if p in unknown else p for p in problems]


def _format_install_hint(requirement: str, registry: Registry) -> str:
    """Return how to get a required plugin: ``acme-unet 1.2``, or ``my_blocks`` for a file or module."""
    name, _, version = requirement.partition(" ")
    if normalize_distribution_name(name) in map(normalize_distribution_name, registry.disabled_names):
        return f"the spec needs {requirement}, which UNETGEN_DISABLE_PLUGINS disables; remove it there"
    if not version or version.startswith(FILE_VERSION_PREFIX):
        # A distribution of that name on the package index could be anything.
        return f"the spec needs {requirement}, a local file or module; pass it with --plugin"
    return f"the spec needs {requirement}; run: pip install {name}"


def describe_version_mismatches(requirements: Sequence[str], providers: Iterable[Provider]) -> list[str]:
    """Return a notice for each plugin whose version differs from the one that the spec was written with."""
    installed = {normalize_distribution_name(provider.name): str(provider) for provider in providers}
    pairs = [(name, installed.get(normalize_distribution_name(name.partition(" ")[0]))) for name in requirements]
    # A spec written by hand may name no version.
    return [
        f"the spec was written with {required}, but {current} is installed"
        for required, current in pairs
        if " " in required and current not in (None, required)
    ]


def find_transform_plugins(
    root: YamlNode, names: Sequence[str], registry: Registry
) -> tuple[list[Provider], list[Problem]]:
    """Return the plugins that transform the network, and the problems. Raises PluginError if a plugin failed."""
    names_node = root.mapping.get("model_built", root)
    transform_providers: list[Provider] = []
    problems = []
    for number, name in enumerate(names):
        contributions = list(registry.iter_contributions(name))
        failed = [
            f
            for f in registry.failures
            if normalize_distribution_name(f.provider.name) == normalize_distribution_name(name)
        ]
        if failed:
            raise failed[0].to_error()
        providers = [provider for provider, c in contributions if c.find_hook("unetgen_model_built")]
        transform_providers += providers
        if not contributions:
            hint = f"run: pip install {name}, or pass its file with --plugin"
            message = f"plugin {name!r} not found"
        elif not providers:
            message, hint = f"plugin {contributions[0][0]} has no hook unetgen_model_built", f"delete {name!r}"
        else:
            continue
        problems.append(names_node.find((number,)).problem("model_built", message, hint))
    return transform_providers, problems
