"""The command line, ``reg2rg``.

Files:

    entry     the entry point, where Ctrl-C takes effect before the rest is imported
    main      the commands report, segment, demo, desktop, evaluate and info
    batch     ``reg2rg batch``, with its progress in ``batch_progress``
    drafts    ``reg2rg drafts``
    models    ``reg2rg models``: list, add, import and create models
    export    ``reg2rg export``
    review_stats  ``reg2rg review-stats``
    send      ``reg2rg send``
    train     ``reg2rg train``
    shards    ``reg2rg shards``
    learn     ``reg2rg learn``
    tables    result tables
    progress  progress bars on standard error
    streams   standard streams that take any text
    info      what is installed on this machine
"""
