"""`python -m bcrlsp`: the same as the console script."""

from bcrlsp.cli import main

main()
