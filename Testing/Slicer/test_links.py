"""Sections and segments are linked: selecting one shows the other. Runs in Slicer and in the host."""

import unittest

import slicer
from hands import arrayOfRegion, click, clickAtRas, drag, generate, moduleWidget, settle, sliceView, threeDView
from Reg2RGModuleLib import regionsGeometry, reportNode


class LinksTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        cls.logic = moduleWidget().logic
        cls.panel = moduleWidget().panel
        cls.panel.inputs.loadSample()
        generate(cls.panel)
        cls.node = reportNode.reportNodes()[0]
        cls.volume = reportNode.volumeOf(cls.node)
        cls.segmentation = reportNode.segmentationOf(cls.node)

    @classmethod
    def tearDownClass(cls):
        slicer.mrmlScene.Clear(0)

    def display(self):
        return self.segmentation.GetDisplayNode()

    def voxelOf(self, ras):
        import vtk

        matrix = vtk.vtkMatrix4x4()
        self.volume.GetRASToIJKMatrix(matrix)
        return tuple(round(c) for c in matrix.MultiplyPoint((*ras, 1.0))[:3])

    def test_selectingASectionHighlightsItsSegmentAndDimsTheOthers(self):
        for region in self.panel.sections.regions:
            with self.subTest(region=region):
                self.panel.navigation.select(region)
                self.assertEqual(self.panel.sections.current, region)
                for other in self.panel.sections.regions:
                    highlighted = other == region
                    self.assertEqual(self.display().GetSegmentOpacity3D(other) == 1.0, highlighted)
                    self.assertEqual(self.display().GetSegmentOpacity2DFill(other) > 0.2, highlighted)

    def test_selectingASectionCentersSlicesAndCameraOnAVoxelOfTheRegion(self):
        for region in self.panel.sections.regions:
            with self.subTest(region=region):
                self.panel.navigation.select(region)
                settle()
                planes = [sliceView(name).mrmlSliceNode().GetSliceToRAS() for name in ("Yellow", "Green", "Red")]
                ras = [plane.GetElement(axis, 3) for axis, plane in enumerate(planes)]
                i, j, k = self.voxelOf(ras)
                self.assertTrue(arrayOfRegion(self.segmentation, region, self.volume)[k, j, i], ras)
                focus = threeDView().cameraNode().GetFocalPoint()
                for actual, expected in zip(focus, ras, strict=True):
                    self.assertAlmostEqual(actual, expected, delta=0.1)

    def test_slicesAreDrawnBeforeTheSlower3DView(self):
        drawn = []
        views = [(name, sliceView(name)) for name in ("Red", "Yellow", "Green")] + [("3D", threeDView())]
        for name, view in views:
            window = view.renderWindow()
            tag = window.AddObserver("EndEvent", lambda *_, name=name: drawn.append(name))
            self.addCleanup(window.RemoveObserver, tag)
        for region in ("heart", "bone"):
            settle()
            drawn.clear()
            self.panel.navigation.select(region)
            settle()
            self.assertEqual(set(drawn[:3]), {"Red", "Yellow", "Green"}, drawn)
            self.assertIn("3D", drawn[3:])

    def test_selectingASectionSetsTheDisplayWindowOfItsRegion(self):
        lung, soft, bone = (1500, -600), (400, 40), (1800, 400)
        for region in self.panel.sections.regions:
            with self.subTest(region=region):
                self.panel.navigation.select(region)
                shown = self.volume.GetDisplayNode()
                wanted = {"lung": lung, "trachea and bronchie": lung, "bone": bone}.get(region, soft)
                self.assertEqual((shown.GetWindow(), shown.GetLevel()), wanted)

    def test_theSlicesAreRedrawnWithTheRegionInItsColor(self):
        from reg2rg.regions import get_region

        self.panel.navigation.select("heart")
        settle()
        image = sliceView("Red").grab().toImage()
        red, green, blue = get_region("heart").color
        middle = image.pixelColor(image.width() // 2, image.height() // 2)
        shown = [image.pixelColor(x, y) for x in range(0, image.width(), 4) for y in range(0, image.height(), 4)]
        reddish = [c for c in shown if c.red() - c.green() > 0.25 * (red - green) and c.red() > c.blue()]
        self.assertGreater(len(reddish), 0.02 * len(shown), middle.name())

    def test_aClickInASliceSelectsTheSmallestRegionThere(self):
        self.panel.navigation.select("mediastinum")
        heart = regionsGeometry.pointInside(self.segmentation, "heart")
        self.assertIn("mediastinum", regionsGeometry.regionsAt(self.segmentation, heart), "it contains the heart")
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *heart, slicer.vtkMRMLSliceNode.OffsetJumpSlice)
        settle()
        for name in ("Red", "Green", "Yellow"):
            with self.subTest(view=name):
                self.panel.navigation.select("lung")
                slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *heart, slicer.vtkMRMLSliceNode.OffsetJumpSlice)
                settle()
                clickAtRas(sliceView(name), heart)
                self.assertEqual(self.panel.sections.current, "heart")

    def test_aPointOutsideAZoomedViewIsBroughtIntoView(self):
        node = sliceView("Red").mrmlSliceNode()
        before = node.GetFieldOfView()
        node.SetFieldOfView(40, 40, before[2])
        try:
            for region in ("breast", "abdomen"):
                self.panel.navigation.select(region)
                settle()
                origin = [node.GetSliceToRAS().GetElement(axis, 3) for axis in (0, 1)]
                point = regionsGeometry.pointInside(self.segmentation, region)
                self.assertLess(max(abs(a - b) for a, b in zip(origin, point[:2], strict=True)), 20.5, region)
        finally:
            node.SetFieldOfView(*before)

    def clickOnTheHeart(self):
        heart = regionsGeometry.pointInside(self.segmentation, "heart")
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *heart, slicer.vtkMRMLSliceNode.OffsetJumpSlice)
        settle()
        clickAtRas(sliceView("Red"), heart)

    def test_clicksInTheViewsSelectNothingInOtherModules(self):
        self.panel.navigation.select("lung")
        moduleWidget().exit()
        try:
            self.clickOnTheHeart()
            self.assertEqual(self.panel.sections.current, "lung")
        finally:
            moduleWidget().enter()
        self.clickOnTheHeart()
        self.assertEqual(self.panel.sections.current, "heart")

    def test_aClickThatPlacesAMarkupSelectsNothing(self):
        self.panel.navigation.select("lung")
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        interaction.SetCurrentInteractionMode(interaction.Place)
        try:
            self.clickOnTheHeart()
        finally:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        self.assertEqual(self.panel.sections.current, "lung")

    def test_clicksAreReportedOnceAfterALayoutChange(self):
        clicked = []
        self.logic.views.clicks.clicked.connect(clicked.append)
        self.panel.navigation.select("lung")
        layout = slicer.app.layoutManager()
        layout.layoutChanged.emit(layout.layout)
        self.clickOnTheHeart()
        self.logic.views.clicks.clicked.disconnect(clicked.append)
        self.assertEqual(clicked, ["heart"])

    def test_aClickOutsideAllRegionsAndADragKeepTheSelection(self):
        self.panel.navigation.select("bone")
        view = sliceView("Red")
        click(view, 3, 3)
        self.assertEqual(self.panel.sections.current, "bone")
        width, height = view.renderWindow().GetSize()
        drag(view, (width // 2, height // 2), (width // 2 + 40, height // 2 + 25))
        self.assertEqual(self.panel.sections.current, "bone")

    def test_aClickInTheThreeDViewSelectsTheVisibleRegion(self):
        for region in ("heart", "abdomen"):
            with self.subTest(region=region):
                self.panel.navigation.select(region)  # the other regions are too faint to be clicked
                settle()
                other = "breast"
                width, height = threeDView().renderWindow().GetSize()
                self.panel.sections.setCurrent(other)
                click(threeDView(), width // 2, height // 2)
                self.assertEqual(self.panel.sections.current, region)

    def test_aClickOnTheBackgroundOfTheThreeDViewKeepsTheSelection(self):
        self.panel.navigation.select("heart")
        click(threeDView(), 2, 2)
        self.assertEqual(self.panel.sections.current, "heart")

    def test_aClickOnACardSelectsItsSection(self):
        import qt

        card = self.panel.sections.card("thyroid")
        position = qt.QPointF(20, 10)
        event = qt.QMouseEvent(
            qt.QEvent.MouseButtonPress, position, qt.QPointF(0, 0), qt.Qt.LeftButton, qt.Qt.LeftButton, qt.Qt.NoModifier
        )
        qt.QApplication.sendEvent(card, event)
        self.assertEqual(self.panel.sections.current, "thyroid")

    def test_allSurfacesAreShownAtOnceAndSlicerConvertsNone(self):
        from Reg2RGModuleLib import regionsDisplay, surfaces

        from reg2rg.runtime.resources import sample_case

        node = regionsDisplay.loadRegions(sample_case()[1], self.volume, None)
        queue, counts, ended, converted = surfaces.SurfaceQueue(), set(), [], []
        event = slicer.vtkSegmentation.RepresentationModified  # Slicer converts a segment itself
        observer = node.GetSegmentation().AddObserver(event, lambda caller, event: converted.append(True))
        queue.finished.connect(lambda: ended.append(True))
        queue.make(node)
        while queue.busy:
            slicer.app.processEvents()
            counts.add(len(self.surfacesOf(node)))
        triangles = sum(surface.GetNumberOfPolys() for surface in self.surfacesOf(node))
        node.GetSegmentation().RemoveObserver(observer)  # removing the node changes representations, too
        slicer.mrmlScene.RemoveNode(node)
        self.assertEqual((counts, ended, converted), ({0, 10}, [True], []))
        self.assertLess(triangles, 90_000)

    def surfacesOf(self, node):
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        segments = [node.GetSegmentation().GetSegment(each) for each in regionsGeometry.segmentIds(node)]
        found = [segment.GetRepresentation(name) for segment in segments]
        return [surface for surface in found if surface is not None]

    def test_theThreeDViewShowsAllRegionsOnceTheyHaveSurfaces(self):
        camera, bounds = threeDView().cameraNode(), [0.0] * 6
        self.logic.views.frame()
        self.segmentation.GetBounds(bounds)
        distance = abs(camera.GetPosition()[1] - camera.GetFocalPoint()[1])
        self.assertGreater(distance, 1.5 * max(bounds[1] - bounds[0], bounds[5] - bounds[4]))

    def test_surfacesHaveFewEnoughTrianglesForFluidRotation(self):
        import vtk

        triangles = 0
        for region in self.panel.sections.regions:
            surface = vtk.vtkPolyData()
            self.segmentation.GetClosedSurfaceRepresentation(region, surface)
            self.assertGreater(surface.GetNumberOfPolys(), 100, region)
            triangles += surface.GetNumberOfPolys()
        self.assertLess(triangles, 90_000)
