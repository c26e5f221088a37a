"""Options that several commands have. Knows no command."""

from pathlib import Path
from typing import Annotated

import typer

HomePath = Annotated[
    Path, typer.Option("--home", envvar="PREFLOOP_HOME", help="Directory with everything prefloop keeps.")
]
HOME = Path("var")
AsJson = Annotated[bool, typer.Option("--json", help="All that there is to know of it, as JSON.")]
RoundId = Annotated[int, typer.Argument(help="The round's number.")]
