"""The pipeline: from a volume to a report folder.

Files:

    request      the options of a run
    events       what a run reports while it is under way
    progress     stages, cancellation and growing sections, turned into events
    model_cache  the model that stays in memory between runs
    failures     errors as one line for the user
    run          the complete run; only this file knows all of its steps
    sending      DICOM objects of a folder or a report, sent to an address
"""
