"""``python -m regionwise``: the same as the installed command."""

from regionwise.cli import main

main()
