"""Many CTs: one report folder each, an index of them, and a summary. The inference path never imports this package.

Files in the order data flows:

    remote      files in a store such as S3
    source      a scan among the inputs, and the hash of its content
    table       the CSV file that lists scans, their masks and their IDs
    inputs      the scans in folders, archives, globs and tables, and what was left out
    arrivals    which scans of a folder that fills are complete
    settings    the options that all cases of a batch have in common
    records     what is known about a case: finished or failed, and with which settings
    places      folders on this machine or in a store
    store       the output folder
    remote_store
                an output folder in a store
    naming      messages without the names of files
    failures    a full disk, which is not the fault of a case
    downloads   a scan in a store, downloaded where it is read
    prepared_files
                a prepared case as files, for another process
    run_case    the pure function from a case to its report folder, in two steps
    engine      what writes the report folders
    read_ahead  processes that prepare the next cases while this one writes a report
    cluster     a Ray cluster instead of these processes
    run         a whole batch
    thumbnails  small pictures for the summary
    entries     what the index and the summary say about a case
    index       index.csv
    summary     summary.html

A report folder is complete or absent. It is the only truth about a case: whatever else is in the output folder can be
made again from report folders and inputs. The index and the summary contain no names of files; ``sources.csv`` does.
"""
