"""Draw a graph as boxes and arrows, in the style of Fig. 1 of Ronneberger, Fischer and Brox (2015)."""
