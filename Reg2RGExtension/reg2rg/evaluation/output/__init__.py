"""Files that contain the results of an evaluation.

figures       figures as PNG data, in one style
plots         figures made from the tables
html_page     one self-contained HTML page (template: page.html)
result_files  these, with CSV, JSON and Markdown files, in a folder
"""
