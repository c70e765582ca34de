"""What the module Reg2RG consists of, each room importing only those above it:

    signal          a list of listeners
    locations       where the engine's code, models and Python are
    installation    what the engine needs, and how it gets into Slicer
    engineProcess   the engine as a process: commands in, events out
    review          a report under review: states, edits, undo; no Slicer in it
    reportNode      the report in the scene, tied to volume and segmentation
    regionsDisplay  the segmentation: how regions look, lighting one up
    regionsGeometry where a region lies: a point inside, the regions at a point
    surfaces        surfaces of the regions for the 3D view
    views           the application's slice and 3D views: centre them, hear clicks in them
    processes       other processes, by their number
    reportRun       one run of the engine, from the scene and back into it
    recovery        files that let a review survive a crash
    parameters      what the user chose, kept in the scene
    sectionCard     a section on the screen
    sectionList     all sections, one of them selected
    panel           the module's panel: brings all of it together

Nothing heavy is imported here: torch and its companions live in the engine's process only.
"""
