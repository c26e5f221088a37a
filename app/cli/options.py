"""Options that several commands have. Knows no command."""

from pathlib import Path
from typing import Annotated

import typer

from trainer.interface.model_settings import Dtype, Quantize

ModelName = "A model prefloop knows (smollm2), a directory, a GGUF file or a hub id"
DtypeOf = Annotated[Dtype | None, typer.Option("--dtype", help="bfloat16 on CUDA by default, else float32.")]
QuantizeTo = Annotated[
    Quantize | None, typer.Option("--quantize", help="Quantise the base's weights; needs bitsandbytes.")
]
TrustCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run the Python code that comes with a model. Read it first.")
]
HomePath = Annotated[
    Path, typer.Option("--home", envvar="PREFLOOP_HOME", help="Directory with everything prefloop keeps.")
]
HOME = Path("var")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, with all details.")]
RoundId = Annotated[int, typer.Argument(help="The round's number.")]
