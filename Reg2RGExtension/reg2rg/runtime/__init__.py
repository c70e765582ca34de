"""What the machine provides: devices, memory, disk space, temporary folders, and workarounds for libraries.

Files:

    callbacks     ProgressCallback and ShouldCancel, the callbacks of long-running work
    csv_output    the writer of all CSV files
    dataclass_io  dataclasses to and from the plain types of JSON and YAML
    yaml_files    the reader of YAML files
    resources     paths of the embedded model and the sample case
    versions      versions of the installed packages
    third_party   settings of third-party libraries, and workarounds for them
    pretrained    configs, tokenizers and models of transformers, loaded without running code
    threads       threads for work that takes long, which end with their block
    cores         how busy processes share the cores
    devices       torch devices and their free memory
    disk_space    free space on disk, checked before large files are written
    state_dict    stored weights compared with what a model expects
    folder_lock   a lock on a folder, released when the process ends
    staging       temporary folders, and output that appears completely or not at all

Importing any of these files is fast: torch and psutil are imported only inside the functions that need them.
"""
