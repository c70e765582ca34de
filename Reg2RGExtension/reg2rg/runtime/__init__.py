"""What the machine provides: devices, versions, resource paths, temporary folders, third-party workarounds.

Files:

    callbacks    ProgressCallback and ShouldCancel, the callbacks of long-running work
    devices      choosing a torch device
    versions     versions of the installed packages
    resources    paths of the embedded model and the sample case
    staging      temporary folders and atomic output
    state_dict   comparing stored weights with what a model expects
    third_party  workarounds for libraries, and keeping them quiet
"""
