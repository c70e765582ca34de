"""Models that can be fetched, each only when its name is asked for.

Its modules, in the order of use:

entries     what there is, where, how large, under which terms
download    one file, resumed where it was cut off
received    whether a file is the one that is expected
adding      the whole way, from a hub or from a folder
"""
