"""Line plots of what was measured: one figure a module, all in the style of `eval.plots.style`."""
