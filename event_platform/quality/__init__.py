"""How figures look: one page of HTML that needs nothing beside itself, and plots that are drawn as SVG."""
