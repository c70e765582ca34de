"""The forms in which results leave the evaluation: CSV, Markdown, plots and an HTML page."""
