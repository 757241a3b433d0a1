import * as Plot from "@observablehq/plot";

import { element } from "./dom";

/**
 * A plot as a figure that says in words what it shows.
 *
 * The style sheet that the library puts into each plot is taken out: the page's policy forbids it, and its own sheet
 * says the same.
 */
export function graphic(words: string, options: Plot.PlotOptions): HTMLElement {
  const plot = Plot.plot({ ...options, className: "plot", style: { background: "transparent" } });
  for (const style of plot.querySelectorAll("style")) {
    style.remove();
  }
  return element("figure", { role: "img", "aria-label": words }, plot);
}
