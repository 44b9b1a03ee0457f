"""Render the model card of the Hugging Face Hub from a spec and its graph."""

from __future__ import annotations

import re

from unetgen.analysis.cost import level_costs
from unetgen.analysis.report import NetworkReport
from unetgen.config.spec import Spec
from unetgen.config.yaml.writer import dump_yaml
from unetgen.graph.graph import Graph

FENCE = "```"


def render_model_card(spec: Spec, graph: Graph, license: str | None = None, repo_id: str = "") -> str:  # noqa: A002  # the hub's term
    """Render a model card: front matter, figure, properties, usage, spec and citation.

    Args:
        spec: The spec of the network.
        graph: The graph of the spec.
        license: The license of the weights, as the hub abbreviates it, for example ``apache-2.0``.
        repo_id: The hub repository, ``owner/name``; empty for a local folder.

    Returns:
        Markdown with the hub's YAML front matter.
    """
    report = NetworkReport.of(spec, graph, spec.input_size)
    title = spec.name or "A U-Net"
    parts = [
        _render_front_matter(spec, license),
        f"# {title}",
        *([spec.description] if spec.description else []),
        "![Architecture: feature maps as boxes, operations as arrows](figure.svg)",
        _render_facts(report),
        _render_levels(report),
        _render_usage(report, repo_id),
        f"## Spec\n\n{FENCE}yaml\n{dump_yaml(spec.resolved())}{FENCE}",
        _render_citation(spec),
    ]
    return "\n\n".join(parts) + "\n"


def _render_front_matter(spec: Spec, license: str | None) -> str:  # noqa: A002  # as above
    facts = {
        **({"license": license} if license else {}),
        "library_name": "unetgen",
        "pipeline_tag": "image-segmentation",
        "tags": ["unetgen", "u-net", "segmentation", f"{spec.dims}d"],
    }
    return f"---\n{dump_yaml(facts)}---"


def _render_facts(report: NetworkReport) -> str:
    rows = [f"| {name} | {sentence} |" for name, sentence in report.format_lines()]
    return "\n".join(["## Properties", "", "| | |", "|---|---|", *rows])


def _render_levels(report: NetworkReport) -> str:
    rows = ["| side | level | parameters | MACs |", "|---|---:|---:|---:|"]
    rows += [
        f"| {side} | {level} | {cost.params:,} | {cost.macs:,} |"
        for (side, level), cost in level_costs(report.graph, report.sizes).items()
    ]
    return "\n".join([*rows, f"| total | | {report.cost.params:,} | {report.cost.macs:,} |"])


def _render_usage(report: NetworkReport, repo_id: str) -> str:
    image = f"torch.zeros(1, {', '.join(map(str, report.in_shape))})"
    plugin_installs = "".join(f"\npip install {plugin.partition(' ')[0]}" for plugin in report.spec.plugins)
    return "\n".join(
        [
            "## Usage", "", f"{FENCE}sh", f"pip install 'unetgen[hub]'{plugin_installs}", FENCE, "", f"{FENCE}python",
            "import torch", "import unetgen", "", f'model = unetgen.from_pretrained("{repo_id or "."}")',
            f"output = model({image})", FENCE,
        ]
    )  # fmt: skip


def _render_citation(spec: Spec) -> str:
    """Render the paper that the spec cites, then the BibTeX entry of the original U-Net."""
    paper = str(spec.resolved().get("about", {}).get("paper", "")) if spec.resolved().get("about") else ""
    reference = f"{paper}.\n\n" if paper and not re.match("Ronneberger", paper) else ""
    return (
        f"## Citation\n\n{reference}{FENCE}bibtex\n"
        "@inproceedings{ronneberger2015unet,\n"
        "  title = {U-Net: Convolutional Networks for Biomedical Image Segmentation},\n"
        "  author = {Ronneberger, Olaf and Fischer, Philipp and Brox, Thomas},\n"
        "  booktitle = {Medical Image Computing and Computer-Assisted Intervention (MICCAI)},\n"
        "  year = {2015}\n"
        f"}}\n{FENCE}"
    )
