"""Library of the Reg2RG module. Each file imports only files listed above it.

    signal               signals for objects that are not Qt objects
    locations            where the engine's code is and which Python runs it
    installation         installation of the packages that the engine needs
    processes            whether other processes are running
    parameters           the user's choices, stored in the scene, and the parameters of one run
    engineProcess        the engine's process: commands go in, events come out

    review               a report under review: changes with undo, and signals
    transforms           volumes and segmentations under transforms, as the engine sees them
    segmentationFile     segmentation files
    transformFile        transform files
    regionsGeometry      where segments are: points, sizes, the segments at a point
    densities            densities of the voxels in a region
    segmentationDisplay  how segments are drawn
    regionsDisplay       how regions are drawn and highlighted
    findingsDisplay      how located findings are drawn
    surfaces             surfaces of segments for the 3D view
    structuresDisplay    how measured structures are highlighted
    reportNode           the report in the scene, tied to its volume, segmentations and lines
    measurementLines     the lines of a measurement as markups
    segmentWatch         notices when segments are corrected
    reviews              the live reviews of the reports in the scene
    otherSegmentations   segmentations that would cover a report, hidden and shown again
    recovery             files that restore a review after a crash
    dicomSource          the DICOM files of a volume, and its patient and study
    stageNames           the names of the engine's stages
    runFolder            the temporary folder of a run
    runResults           the segmentations that a run adds to a report
    reportRun            one run of the engine: input from the scene, results back into it
    savedReport          reports in folders, written for the engine and read back into the scene
    engineTask           what exports and transfers have in common
    exportRun            one export by the engine
    destination          where DICOM objects are sent to
    sendRun              one transfer by the engine
    runCallbacks         callbacks of one run, and waiting for its end

    views                the application's slice and 3D views
    priorView            the prior CT below the current one
    regionSelection      a region, finding or measurement selected in the views
    reportViews          a report in the views
    reportLogic          everything but the panel: generate, review, show

    panelScroll          the panel in the application's scroll area, and its rows that stay in view
    fold                 a heading that folds what is below it
    plots                small plots on cards
    measurementText      the text of a measurement's row
    measurementList      the measurements of a section
    findingText          the text of a finding's row
    sectionText          the text of a section's card
    findingList          the findings of a section
    sectionCard          the card of a section
    sectionList          the cards of all sections
    messages, inputs, reportHeader, findingsBar, impression
                         the other parts of the panel

    reportSession        the report that the panel shows
    navigation           selection of sections, findings and measurements
    reviewControls       review of the selected section
    runControls          generation, regeneration and correction
    signControls         the reviewer's name and signature
    exportControls       the Export menu, and opening saved reports
    sendControls         the Send button and its dialog
    recoveryControls     the button that restores a review after a crash
    panel                the whole panel, assembled from its parts

Reg2RGModuleLogic derives from ReportLogic; scripts, other modules and the panel use the same calls. The files up to
reportLogic do not use any panel widgets, and the widgets change the scene only through these files.

Nothing here imports torch, which runs only in the engine's process.
"""
