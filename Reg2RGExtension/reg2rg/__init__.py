"""Reg2RG: a chest CT in, a draft report whose every section belongs to a region of the image out.

The rooms of the engine, in the order data flows through them (a room imports only rooms above it):
regions, volumes, segmentation, preprocessing, models, prompting, generation, report, exports, pipeline, worker, cli.
training and phantom are leaves that the inference path never imports. Nothing here imports slicer, qt, ctk or vtk.
"""

__version__ = "0.1.0"

DRAFT_LABEL = "AI-generated draft, not reviewed. Not for clinical use."
"""Stands wherever a draft is shown or exported."""
