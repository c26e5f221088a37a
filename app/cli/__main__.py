"""`python -m app.cli`: the command `prefloop`."""

from app.cli.main import main

if __name__ == "__main__":
    main()
