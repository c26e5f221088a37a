"""The command `prefloop`, also as `python -m app.cli`."""

import sys


def main() -> None:
    """Run the command line; on Windows say what to do instead.

    The command line is imported only then: the locks of a home need fcntl, which Windows does not have.
    """
    if sys.platform == "win32":
        sys.stderr.write("prefloop: Windows is not supported; run prefloop in WSL (wsl --install)\n")
        sys.exit(2)
    from app.cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
