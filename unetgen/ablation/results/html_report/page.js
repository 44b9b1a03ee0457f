// The table sorts by data-by of its cells; baselines stay at the end. Plots are Vega-Lite.
const data = JSON.parse(document.getElementById("data").textContent);
const ink = matchMedia("(prefers-color-scheme: dark)").matches ? "#dfe5ea" : "#1c2733";
const config = {
  background: null, view: { stroke: null },
  axis: { gridOpacity: 0.25, labelFontSize: 12, titleFontSize: 12, labelColor: ink, titleColor: ink },
  legend: { labelFontSize: 12, labelColor: ink },
};
const embed = (id, spec) => vegaEmbed(id, { width: "container", config, ...spec }, { actions: false, renderer: "svg" });

// A color for each variant; with more than a dozen the tooltip replaces the legend.
const color = variants => ({
  field: "variant", type: "nominal",
  legend: variants > 12 ? null : { labelLimit: 0, orient: "bottom", columns: 2, title: null },
});

function makeSortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const text = row.cells[column].dataset.by;
    return text === "" ? null : isNaN(text) ? text : Number(text);
  };
  headings.forEach((heading, column) => heading.addEventListener("click", () => {
    const isAscending = heading.ariaSort !== "ascending";
    headings.forEach(other => other.removeAttribute("aria-sort"));
    heading.ariaSort = isAscending ? "ascending" : "descending";
    const compare = (a, b) => {
      const baselineOrder = a.classList.contains("baseline") - b.classList.contains("baseline");
      const [x, y] = [value(a, column), value(b, column)];
      if (baselineOrder || x === null || y === null) return baselineOrder || (x === null) - (y === null);
      return (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y))) * (isAscending ? 1 : -1);
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  }));
}

// The quantity on an axis of the plot is identified by kind and name: "metrics dice", "costs params".
const kind = quantity => quantity.split(" ", 1)[0];
const name = quantity => quantity.slice(kind(quantity).length + 1);
const value = (row, quantity) => kind(quantity) === "costs" ? row.costs[name(quantity)] : row.metrics[name(quantity)]?.[0];
const title = quantity => kind(quantity) === "costs" ? data.points.costs[name(quantity)] : name(quantity);
const lowerIsBetter = quantity => kind(quantity) === "costs" || !data.points.metrics[name(quantity)];

// The rows on the Pareto front, sorted by cost.
function paretoFront(rows, cost, metric) {
  const loss = row => lowerIsBetter(cost) ? row.x : -row.x;
  const score = row => lowerIsBetter(metric) ? -row.y : row.y;
  const isDominated = row => rows.some(other => loss(other) <= loss(row) && score(other) >= score(row)
    && (loss(other) < loss(row) || score(other) > score(row)));
  return rows.filter(row => !isDominated(row)).sort((a, b) => a.x - b.x);
}

// A baseline has no costs, so it is a horizontal line.
function baselineLayers(rows, cost, y) {
  const values = rows.filter(row => row.x === undefined && kind(cost) === "costs");
  if (!values.length) return [];
  const mark = { type: "text", align: "left", dy: -7, fontStyle: "italic", color: ink };
  return [
    { data: { values }, mark: { type: "rule", strokeDash: [2, 3], color: "#888" }, encoding: { y } },
    { data: { values }, mark, encoding: { y, x: { value: 4 }, text: { field: "variant" } } },
  ];
}

function drawScatter() {
  const [metric, cost] = ["metric", "cost"].map(id => document.getElementById(id).value);
  const known = data.points.rows.filter(row => value(row, metric) !== undefined).map(row => {
    const [mean, spread] = row.metrics[name(metric)];
    return { variant: row.variant, x: value(row, cost), y: mean, spread, low: mean - spread, high: mean + spread };
  });
  const rows = known.filter(row => row.x !== undefined);
  const scale = { zero: false };
  const x = { field: "x", type: "quantitative", title: title(cost), scale, axis: { format: "~s" } };
  const y = { field: "y", type: "quantitative", title: title(metric), scale, axis: { format: "~g" } };
  const tooltip = [
    { field: "variant" }, { field: "y", title: title(metric), format: ".4g" },
    { field: "spread", title: "±", format: ".2g" }, { field: "x", title: title(cost), format: "~s" },
  ];
  return embed("#pareto", {
    height: 320, data: { values: rows },
    layer: [
      ...baselineLayers(known, cost, y),
      { data: { values: paretoFront(rows, cost, metric) }, mark: { type: "line", strokeDash: [4, 3], color: "#888" }, encoding: { x, y } },
      { mark: { type: "rule", opacity: 0.6 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color: color(rows.length) } },
      { mark: { type: "point", filled: true, size: 90, tooltip: true }, encoding: { x, y, color: color(rows.length), tooltip } },
    ],
  });
}

function drawCurves() {
  const metric = document.getElementById("curve").value;
  const variants = Object.keys(data.curves[metric]).length;
  const values = Object.entries(data.curves[metric]).flatMap(([variant, { steps, means }]) =>
    steps.map((step, index) => ({ variant, step, value: means[index] })));
  return embed("#curves", {
    height: 320, data: { values }, mark: { type: "line", tooltip: true, point: variants <= 12 },
    params: [{ name: "hovered", select: { type: "point", fields: ["variant"], on: "pointerover" } }],
    encoding: {
      x: { field: "step", type: "quantitative" },
      y: { field: "value", type: "quantitative", title: metric, scale: { zero: false }, axis: { format: "~g" } },
      color: color(variants),
      opacity: { condition: { param: "hovered", value: 1 }, value: 0.2 },
    },
  });
}

// The cost in which the variants differ most; others may have been matched to a budget.
function mostVariedCost() {
  const ratio = cost => {
    const values = data.points.rows.map(row => row.costs[cost]).filter(value => value !== undefined);
    return Math.max(...values) / Math.max(1, Math.min(...values));
  };
  const costs = Object.keys(data.points.costs).sort((a, b) => ratio(b) - ratio(a));
  return costs.length ? `costs ${costs[0]}` : undefined;
}

function fillSelect(id, entries, selected, redraw) {
  const select = document.getElementById(id);
  select.append(...entries.map(([value, title]) => new Option(title, value, false, value === selected)));
  select.addEventListener("change", redraw);
}

makeSortable(document.getElementById("results"));
const metrics = Object.keys(data.points.metrics);
if (metrics.length) {
  const entries = kind => Object.keys(data.points[kind]).map(name => `${kind} ${name}`).map(quantity => [quantity, title(quantity)]);
  fillSelect("metric", entries("metrics"), `metrics ${metrics[0]}`, drawScatter);
  fillSelect("cost", [...entries("costs"), ...entries("metrics")], mostVariedCost(), drawScatter);
  drawScatter();
}
if (Object.keys(data.curves).length) {
  document.getElementById("learning").hidden = false;
  fillSelect("curve", Object.keys(data.curves).map(name => [name, name]), metrics.find(name => name in data.curves), drawCurves);
  drawCurves();
}
