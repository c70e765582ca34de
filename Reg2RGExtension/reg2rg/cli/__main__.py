"""``python -m reg2rg.cli``: the command line without its launcher."""

from reg2rg.cli.entry import main

main()
