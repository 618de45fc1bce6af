"""`python -m taskd`, and the `taskd` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and exit with its status."""
    try:
        if sys.argv[1:2] == ["__complete"]:
            from taskd.completing import complete

            status = complete(sys.argv[2:])
        else:
            from taskd.cli import main as run

            status = run()
    except KeyboardInterrupt:
        # Ctrl-C may come while the commands are still being imported.
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
