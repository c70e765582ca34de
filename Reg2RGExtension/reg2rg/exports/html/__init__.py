"""A report as one HTML page with its pictures.

Files, in the order data flows:

    surfaces             surfaces of masks as triangles
    scene                slices, masks, surfaces and places as JSON
    viewer/              scripts that draw the scene: slices, surfaces, and links from the text
    page.html, page.css  template and style
    page                 the page itself
"""
