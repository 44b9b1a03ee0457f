"""Write the software bill of materials of unetgen's wheel (CycloneDX 1.6, PEP 770).

The wheel bundles no other package, so the bill lists unetgen and the dependencies that ``pyproject.toml`` declares.
Run ``python release/sbom.py`` after a change of the version or of the dependencies; a test compares the file.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
SBOM = ROOT / "release" / "unetgen.cdx.json"


def render_sbom() -> str:
    """Return the bill of materials as JSON, the same for equal inputs.

    Returns:
        CycloneDX 1.6 as text, without a timestamp or a random serial number.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.LIBRARY,
        description=project["description"],
        licenses=[LicenseFactory().make_from_string(project["license"])],
        purl=PackageURL("pypi", name=project["name"], version=project["version"]),
        bom_ref=project["name"],
    )
    dependencies = [_describe_dependency(Requirement(text)) for text in project["dependencies"]]
    bom = Bom(components=dependencies, metadata=BomMetaData(component=package))
    bom.register_dependency(package, dependencies)
    bom.metadata.timestamp = None  # type: ignore[assignment]  # so that equal inputs give equal files
    bom.serial_number = None  # type: ignore[assignment]  # as above
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _describe_dependency(requirement: Requirement) -> Component:
    """Return a declared dependency. It has a range of versions, so no version is claimed."""
    return Component(
        name=requirement.name,
        type=ComponentType.LIBRARY,
        description=f"declared as {requirement}",
        purl=PackageURL("pypi", name=requirement.name.lower()),
        bom_ref=requirement.name.lower(),
    )


if __name__ == "__main__":
    SBOM.write_text(render_sbom(), encoding="utf-8")
    sys.stdout.write(f"{SBOM.relative_to(ROOT)} written\n")
