"""Rendering of figures: self-contained HTML pages and SVG plots."""
