"""The U figure: a graph as boxes and arrows, in the manner of Fig. 1 of Ronneberger, Fischer and Brox 2015."""
