"""How problems are shown: as text, for machines, as HTML, and on a page for each code."""
