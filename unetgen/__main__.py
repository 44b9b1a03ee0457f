"""Run the command line with ``python -m unetgen``."""

from unetgen.cli.main import main

main()
