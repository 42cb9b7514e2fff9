// The chart as a picture that speaks for itself elsewhere: with its title, a legend, and what is to be known of it.

/** @typedef {{colour: string, label: string}} Entry */
/** @typedef {{title: string, about: string, foot: string, legend: Entry[], ground: string, ink: string, soft: string}} Sheet */

const FONT = "system-ui, sans-serif";
const EDGE = 16;
const LINE = 22;

/**
 * Draws a sheet around a chart.
 * @param {HTMLCanvasElement} chart @param {Sheet} sheet @returns {Promise<Blob | null>} a PNG; null: the browser could make none
 */
export function picture(chart, sheet) {
  const scale = chart.width / chart.clientWidth;
  const width = chart.clientWidth + 2 * EDGE;
  const canvas = document.createElement("canvas");
  let on = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  on.font = `13px ${FONT}`;
  const legend = laid(on, sheet.legend, width - 2 * EDGE);
  const top = 60 + legend.rows * LINE;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round((top + chart.clientHeight + 36) * scale);
  on = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  on.fillStyle = sheet.ground;
  on.fillRect(0, 0, canvas.width, canvas.height);
  on.drawImage(chart, EDGE * scale, top * scale);
  on.scale(scale, scale);
  /** @param {string} text @param {number} x @param {number} y @param {string} colour @param {string} font @param {number} [most] */
  const write = (text, x, y, colour, font, most = width - 2 * EDGE) => {
    on.fillStyle = colour;
    on.font = `${font} ${FONT}`;
    on.fillText(fitted(on, text, most), x, y);
  };
  write(sheet.title, EDGE, 28, sheet.ink, "600 17px");
  write(sheet.about, EDGE, 48, sheet.soft, "13px");
  for (const e of legend.entries) {
    on.fillStyle = e.colour;
    on.fillRect(EDGE + e.x, 60 + e.row * LINE, 11, 11);
    write(e.label, EDGE + e.x + 17, 70 + e.row * LINE, sheet.ink, "13px", e.width);
  }
  write(sheet.foot, EDGE, top + chart.clientHeight + 20, sheet.soft, "12px");
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Where the entries of a legend stand, in rows as wide as the chart. @param {CanvasRenderingContext2D} on @param {Entry[]} entries @param {number} width */
function laid(on, entries, width) {
  let [x, row] = [0, 0];
  const list = entries.map(({ colour, label }) => {
    const wide = Math.min(on.measureText(label).width, width - 17, 260);
    if (x > 0 && x + 17 + wide > width) [x, row] = [0, row + 1];
    const entry = { colour, label: `\u2068${label}\u2069`, x, row, width: wide + 1 };
    x += 17 + wide + 18;
    return entry;
  });
  return { entries: list, rows: list.length > 0 ? row + 1 : 0 };
}

/** A text cut off where there is no more room. @param {CanvasRenderingContext2D} on @param {string} text @param {number} most */
function fitted(on, text, most) {
  if (on.measureText(text).width <= most) return text;
  const signs = [...text];
  while (signs.length > 1 && on.measureText(signs.join("") + "…").width > most) signs.pop();
  return signs.join("") + "…";
}
