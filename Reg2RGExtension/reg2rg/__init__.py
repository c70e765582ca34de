"""Reg2RG: a chest CT in, a draft report out, whose every section belongs to a region of the image.

The rooms of the engine, in the order data flows through them (a room imports only rooms above it):

    errors, scratch, resources, devices, torchvision_ops     what all rooms need
    regions, volumes, segmentation, preprocessing   from a CT to the model's tensors
    models, prompting, generation                   from tensors to text
    findings, locating                              what a text says, and where in the volume it is seen
    report, impression, exports                     what was written, and the forms it leaves in
    events, request, failures, pipeline             the whole way
    worker, cli (model_commands, terminal, information, quiet)   its front ends

training, evaluation and phantom are leaves that the inference path never imports. Nothing here imports slicer, qt, ctk
or vtk.
"""

__version__ = "0.1.0"

DRAFT_LABEL = "AI-generated draft, not reviewed. Not for clinical use."
"""Stands wherever a draft is shown or exported."""
