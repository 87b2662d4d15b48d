"""``python -m eigenscape`` is the same as ``eigenscape``."""

from eigenscape.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
