"""``python -m reg2rg.cli``: the command line without its launcher."""

from reg2rg.cli.main import main

main()
