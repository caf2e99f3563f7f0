"""``python -m anysize``."""

from anysize.cli.main import run

if __name__ == "__main__":
    run()
