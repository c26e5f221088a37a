"""What `make dist` makes: an installed wheel has all that a checkout has, and serves."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
PACKAGES = ("app", "trainer", "data")

pytestmark = pytest.mark.slow


def do(*command: object, cwd: Path) -> str:
    """Run a command without this checkout on its path; what it says."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    clean["PATH"] = f"{sysconfig.get_path('scripts')}{os.pathsep}{clean['PATH']}"  # where the build finds uv-build
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source archive as `python -m build` does."""
    out = tmp_path_factory.mktemp("dist")
    do(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=ROOT)
    assert (out / f"prefloop-{VERSION}.tar.gz").is_file()
    [wheel] = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def prefloop(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment with the wheel, which borrows everything else from this one.

    A path in a .pth file is searched after the environment's own packages, and the .pth files there are not read: so
    this checkout, installed there as editable, is not found.
    """
    directory = tmp_path_factory.mktemp("installed")
    venv.create(directory, with_pip=False)
    paths = sysconfig.get_paths(vars={"base": str(directory), "platbase": str(directory)})
    Path(paths["purelib"], "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    do(sys.executable, "-m", "pip", f"--python={directory}", "install", "--quiet", "--no-deps", wheel, cwd=directory)
    return Path(paths["scripts"], "prefloop")


def test_the_wheel_holds_what_the_repository_holds(wheel: Path) -> None:
    listed = do("git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES, cwd=ROOT).splitlines()
    packed = [name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")]
    assert {name for name in packed if name.startswith(tuple(f"{package}/" for package in PACKAGES))} == set(listed)
    assert [name for name in packed if name.endswith(".safetensors")]


def test_the_command_says_its_version(prefloop: Path, tmp_path: Path) -> None:
    assert do(prefloop, "--version", cwd=tmp_path) == f"prefloop {VERSION}\n"


def test_the_installed_code_is_that_of_the_wheel(prefloop: Path, tmp_path: Path) -> None:
    where = do(prefloop.with_name("python"), "-c", "import app, trainer, data; print(app.__file__)", cwd=tmp_path)
    assert where.startswith(str(prefloop.parents[1]))


@pytest.fixture
def url(prefloop: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server that the installed command runs."""
    command = [str(prefloop), "serve", "--home", str(tmp_path / "home"), "--port", "0"]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with subprocess.Popen(command, cwd=tmp_path, env=clean, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert any("/auth/link?token=" in line for line in server.stdout), "the server ended before it served"
        yield str(json.loads((tmp_path / "home" / "server.json").read_text())["url"])
        server.terminate()


def test_the_installed_command_serves(url: str) -> None:
    assert httpx.get(f"{url}/healthz").is_success
    page = httpx.get(f"{url}/annotate/", headers={"accept": "text/html"}, follow_redirects=True)
    assert "<form" in page.text
