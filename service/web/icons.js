/** Small drawings for buttons that are named in words elsewhere. */

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  __proto__: null,
  list: "M3 4.5h10M3 8h10M3 11.5h10",
  close: "M4 4l8 8M12 4l-8 8",
  rename: "M10.5 3l2.5 2.5L6 12.5l-3 .5.5-3z",
  remove: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.5 8.5h6l.5-8.5M7 7v3.5M9 7v3.5",
  up: "M5 7.5 7.5 2.5c1 0 1.7.8 1.5 1.8L8.6 6.5h3.2c.8 0 1.4.8 1.2 1.5l-1.1 4c-.2.6-.7 1-1.3 1H5M5 7.5V13H3V7.5z",
  down: "M11 8.5 8.5 13.5c-1 0-1.7-.8-1.5-1.8l.4-2.2H4.2C3.4 9.5 2.8 8.7 3 8l1.1-4c.2-.6.7-1 1.3-1H11M11 8.5V3h2v5.5z",
};

/** Draws one of them in the colour of the text. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [attribute, value] of Object.entries({ viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(attribute, value);
  }
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
