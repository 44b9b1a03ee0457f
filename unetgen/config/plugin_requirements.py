"""What a spec needs of plugins, and what is said where it is missing, broken or of another version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from unetgen.config.registry.plugin import FILE_VERSION_PREFIX, Provider, normalize_distribution_name
from unetgen.config.registry.registry import Registry
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem


def add_install_hints(problems: list[Problem], requirements: Sequence[str], registry: Registry) -> list[Problem]:
    """The problems, those of unknown parts with the way to the plugin that has them.

    ``needed`` is what the spec says it needs. Raises PluginError where a plugin that failed is the likely cause.
    """
    unknown = [problem for problem in problems if problem.code == "unknown_part"]
    if not unknown:
        return problems
    names = {normalize_distribution_name(name.partition(" ")[0]): name for name in requirements}
    # A name that is near no other is more likely of the plugin that failed than a typing error.
    strange = [p for p in unknown if p.message.startswith("unknown ") and "did you mean" not in p.hint]
    for failure in registry.failures:
        vendors = [problem for problem in unknown if f"'{failure.provider.name}/" in problem.message]
        if vendors or strange or normalize_distribution_name(failure.provider.name) in names:
            raise failure.to_error((vendors or strange or unknown)[0])
    there = {normalize_distribution_name(plugin.provider.name) for plugin in registry.plugins}
    absent = [name for key, name in names.items() if key not in there]
    if not absent:
        return problems
    hint = "; ".join(_format_install_hint(name, registry) for name in absent)
    return [replace(p, hint=hint) if p in unknown else p for p in problems]


def _format_install_hint(requirement: str, registry: Registry) -> str:
    """How to get a plugin that a spec names: ``acme-unet 1.2``, or ``my_blocks`` where it was given by hand."""
    name, _, version = requirement.partition(" ")
    if normalize_distribution_name(name) in map(normalize_distribution_name, registry.disabled_names):
        return f"the spec needs {requirement}, which UNETGEN_DISABLE_PLUGINS switches off"
    if not version or version.startswith(FILE_VERSION_PREFIX):
        # Anybody could own that name on the package index.
        return f"the spec needs {requirement}, a file or module of its author's; give it with --plugin"
    return f"the spec needs {requirement}; run: pip install {name}"


def describe_version_mismatches(requirements: Sequence[str], providers: Iterable[Provider]) -> list[str]:
    """What the reader should know of plugins that are not of the version that the spec was written with."""
    there = {normalize_distribution_name(provider.name): str(provider) for provider in providers}
    pairs = [(name, there.get(normalize_distribution_name(name.partition(" ")[0]))) for name in requirements]
    # What was written by hand need not name a version.
    return [
        f"it was written with {was}, and this is {now}" for was, now in pairs if " " in was and now not in (None, was)
    ]


def find_transform_plugins(
    root: YamlNode, names: Sequence[str], registry: Registry
) -> tuple[list[Provider], list[Problem]]:
    """The plugins that are to transform the finished network, or what is wrong with them. Raises PluginError."""
    written = root.mapping.get("model_built", root)
    found: list[Provider] = []
    problems = []
    for number, name in enumerate(names):
        given = list(registry.iter_contributions(name))
        failed = [
            f
            for f in registry.failures
            if normalize_distribution_name(f.provider.name) == normalize_distribution_name(name)
        ]
        if failed:
            raise failed[0].to_error()
        able = [provider for provider, gifts in given if gifts.find_hook("unetgen_model_built")]
        found += able
        if not given:
            hint = f"run: pip install {name}, or give its file with --plugin"
            message = f"there is no plugin {name!r}"
        elif not able:
            message, hint = f"plugin {given[0][0]} has no hook unetgen_model_built", f"delete {name!r}"
        else:
            continue
        problems.append(written.find((number,)).problem("model_built", message, hint))
    return found, problems
