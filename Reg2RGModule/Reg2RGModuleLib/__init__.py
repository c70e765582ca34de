"""The library of the module Reg2RG. Each file imports only files above it.

    signal               signals of objects that are not Qt objects
    locations            where the engine's code is, and which Python runs it
    installation         installing the packages that the engine needs
    processes            other processes
    parameters           what the user chose, stored in the scene, and what one run uses
    engineProcess        the engine as a process: commands in, events out

    review               a report under review: states, edits, undo
    transforms           volumes and segmentations under transforms, as the engine sees them
    segmentationFile     segmentation files
    regionsGeometry      where segments are: points, sizes, the segments at a point
    segmentationDisplay  how segments are drawn
    regionsDisplay       how regions are drawn, and one of them highlighted
    findingsDisplay      how located findings are drawn
    surfaces             surfaces of segments for the 3D view
    reportNode           the report in the scene, tied to its volume and segmentations
    reviews              the live reviews of the reports in the scene
    otherSegmentations   segmentations that would cover a report, hidden and shown again
    recovery             files that restore a review after a crash
    reportRun            one run of the engine, from the scene and back into it
    runCallbacks         callbacks of one run, and a way to wait for its end

    views                the application's slice and 3D views
    regionSelection      a region or finding selected in the views
    reportViews          a report in the views
    reportLogic          the job without the panel: generate, review, show

    panelScroll          the panel in the application's scroll area, and its rows that stay in view
    findingText          the text of a finding's row
    sectionText          the text of a section's card
    findingList          the findings of a section
    sectionCard          the card of a section
    sectionList          the cards of all sections
    messages, inputs, reportHeader, findingsBar, impression
                         the other parts of the panel

    reportSession        the report that the panel shows
    navigation           selecting sections and findings
    reviewControls       reviewing the selected section
    runControls          generating, regenerating and correcting
    recoveryControls     restoring a review after a crash
    panel                the panel: puts its parts together

Reg2RGModuleLogic is a ReportLogic; scripts, other modules and the panel use the same calls. The files above it know no
widget, and widgets change the scene only through them.

Nothing here imports torch. It runs in the engine's process only.
"""
